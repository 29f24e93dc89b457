//! What a service tells about itself.

use serde::{Deserialize, Serialize};

use crate::{
    config::{Faults, Validate},
    telemetry,
};

/// Logs. The export of traces joins this section.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TelemetrySection {
    pub log: LogSection,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogSection {
    pub format: LogFormat,
    /// `info`, or levels by target: `info,maas_proxy=debug,sqlx=info`.
    pub level: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Pretty,
    Json,
}

impl Default for LogSection {
    fn default() -> Self {
        Self { format: LogFormat::Json, level: "info".to_owned() }
    }
}

impl Validate for TelemetrySection {
    fn validate(&self, faults: &mut Faults) {
        faults.section("log", &self.log);
    }
}

impl Validate for LogSection {
    fn validate(&self, faults: &mut Faults) {
        if telemetry::parse_level(&self.level).is_err() {
            faults.add("level", "must be a level (error, warn, info, debug, trace) or a list of target=level");
        }
    }
}
