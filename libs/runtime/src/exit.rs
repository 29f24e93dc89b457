//! How a process says that it could not start: one clear message and an exit code from `sysexits.h`.

use std::{io::Write, process::ExitCode};

use crate::{config::ConfigFaults, lifecycle::Failure};

/// Wrong command line or configuration: nothing was opened yet.
pub const USAGE: u8 = 64;
/// Something needed is not there: a busy port, an unreachable database, an older schema, an unwritable folder.
pub const UNAVAILABLE: u8 = 69;
/// A fault of ours.
pub const INTERNAL: u8 = 70;

/// What `main` returns when the process cannot start or did not stop well.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigFaults),
    /// `what` is not available because of `why`; `hint` says what the operator can do (may be empty).
    #[error("{what}: {why}")]
    Unavailable { what: String, why: String, hint: String },
    /// Something on the command line or in the environment is wrong that is no setting of the configuration.
    #[error("{what}")]
    InvalidInput { what: String, hint: String },
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error(transparent)]
    Internal(#[from] anyhow::Error),
}

impl StartError {
    pub fn unavailable(what: impl Into<String>, why: impl ToString, hint: impl Into<String>) -> Self {
        Self::Unavailable { what: what.into(), why: why.to_string(), hint: hint.into() }
    }

    pub fn code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::InvalidInput { .. } => USAGE,
            Self::Unavailable { .. } => UNAVAILABLE,
            Self::Failed(_) | Self::Internal(_) => INTERNAL,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Config(faults) => faults.to_string(),
            Self::Unavailable { what, why, hint } if hint.is_empty() => format!("{what}: {why}"),
            Self::Unavailable { what, why, hint } => format!("{what}: {why}\n  hint: {hint}"),
            Self::InvalidInput { what, hint } => format!("{what}\n  hint: {hint}"),
            Self::Failed(failure) => failure.to_string(),
            // The alternate form prints the whole chain of causes on one line.
            Self::Internal(error) => format!("{error:#}"),
        }
    }
}

/// Prints the error once on stderr, whether or not logging was set up, and gives the process's exit code.
pub fn report(error: &StartError) -> ExitCode {
    // There is nobody left to tell when stderr is gone.
    let _ = writeln!(std::io::stderr().lock(), "maas: {}", error.message());
    ExitCode::from(error.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_error_has_its_code() {
        let busy = StartError::unavailable("port 8080", "address in use", "set MAAS__HTTP__PORT");
        assert_eq!(busy.code(), UNAVAILABLE);
        assert_eq!(busy.message(), "port 8080: address in use\n  hint: set MAAS__HTTP__PORT");
        assert_eq!(StartError::Config(ConfigFaults::default()).code(), USAGE);
        let internal = StartError::Internal(anyhow::anyhow!("cause").context("outer"));
        assert_eq!(internal.message(), "outer: cause");
        assert_eq!(internal.code(), INTERNAL);
    }
}
