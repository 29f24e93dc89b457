//! Log lines on stderr, as JSON or for people. Traces will be exported from here as well, beside the log layer.

use std::io::IsTerminal;

use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::config::sections::{LogFormat, TelemetrySection};

/// Libraries that say too much at info (sqlx logs each statement). Settings that name them win over this.
const QUIET: &str = "sqlx=warn,sea_orm_migration=warn,actix_server=warn,async_nats=warn";

#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("telemetry.log.level: {0:?} is neither a level nor target=level")]
    Level(String),
}

/// Starts logging. A second call (tests share a process) keeps what the first one set.
pub fn init(section: &TelemetrySection) -> Result<(), TelemetryError> {
    let filter = parse_level(&section.log.level)?;
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match section.log.format {
        LogFormat::Json => layer.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
        LogFormat::Pretty => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
    };
    // The only error is that logging was started before.
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    Ok(())
}

pub(crate) fn parse_level(level: &str) -> Result<Targets, TelemetryError> {
    // A word alone would be taken for a target at its most talkative, so that a misspelt level floods the log.
    let is_wrong = |part: &&str| !part.contains('=') && part.trim().parse::<LevelFilter>().is_err();
    if let Some(wrong) = level.split(',').find(is_wrong) {
        return Err(TelemetryError::Level(wrong.to_owned()));
    }
    format!("{QUIET},{level}").parse().map_err(|_| TelemetryError::Level(level.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn noisy_libraries_are_quiet_unless_named() {
        let filter = parse_level("debug").unwrap();
        assert!(filter.would_enable("maas_proxy", &Level::DEBUG));
        assert!(!filter.would_enable("sqlx::query", &Level::INFO));
        assert!(parse_level("info,sqlx=info").unwrap().would_enable("sqlx::query", &Level::INFO));
        assert!(parse_level("loud").is_err());
    }

    #[test]
    fn starting_twice_is_no_error() {
        let section = TelemetrySection::default();
        assert!(init(&section).is_ok());
        assert!(init(&section).is_ok());
    }
}
