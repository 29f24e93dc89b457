//! The sections that every service process has.

use maas_runtime::config::{
    Faults, Validate,
    sections::{HttpSection, InternalSection, NatsSection, OpsSection, TelemetrySection},
};
use serde::{Deserialize, Serialize};

/// Listeners, bus, telemetry and where the other services are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HostConfig {
    pub http: HttpSection,
    pub operations: OpsSection,
    pub internal: InternalSection,
    pub nats: NatsSection,
    pub telemetry: TelemetrySection,
    pub services: ServiceAddresses,
}

/// Internal addresses of other services.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ServiceAddresses {
    /// auth's internal listener, e.g. `http://auth:8181`.
    pub auth_internal_url: String,
}

impl HostConfig {
    pub fn with_ports(public: u16, internal: u16, operations: u16) -> Self {
        Self {
            http: HttpSection::with_port(public),
            operations: OpsSection::with_port(operations),
            internal: InternalSection::with_port(internal),
            nats: NatsSection::default(),
            telemetry: TelemetrySection::default(),
            services: ServiceAddresses::default(),
        }
    }
}

impl Validate for HostConfig {
    fn validate(&self, faults: &mut Faults) {
        faults.section("http", &self.http);
        faults.section("operations", &self.operations);
        faults.section("internal", &self.internal);
        faults.section("nats", &self.nats);
        faults.section("telemetry", &self.telemetry);
        let url = &self.services.auth_internal_url;
        if !url.is_empty() && !url.starts_with("http://") && !url.starts_with("https://") {
            faults.add("services.auth_internal_url", "must be an http:// or https:// URL");
        }
    }
}
