//! Everything that is wrong with a configuration, gathered so that one start tells all of it.

use std::fmt;

/// One wrong setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Dotted path of the setting, `http.port`.
    pub path: String,
    /// Where the value came from: an environment variable's name, a key in the file, or the default.
    pub origin: String,
    pub message: String,
    /// What the operator may have meant; empty if unknown.
    pub hint: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.path, self.origin, self.message)?;
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}

/// All faults of one configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigFaults(pub Vec<Fault>);

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} fault(s):", self.0.len())?;
        for fault in &self.0 {
            write!(f, "\n  {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigFaults {}

/// A section that can say what is wrong with its values.
pub trait Validate {
    /// Adds every fault found; never stops at the first.
    fn validate(&self, faults: &mut Faults);
}

/// Collects (path, message) pairs; knows the section it is in.
#[derive(Debug, Default)]
pub struct Faults {
    prefix: String,
    found: Vec<(String, String)>,
}

impl Faults {
    /// Adds a fault of the field `name` of the section that is being validated.
    pub fn add(&mut self, name: &str, message: impl Into<String>) {
        self.found.push((format!("{}{name}", self.prefix), message.into()));
    }

    /// Validates the section that the field `name` holds.
    pub fn section(&mut self, name: &str, section: &impl Validate) {
        let outer = self.prefix.clone();
        self.prefix = format!("{outer}{name}.");
        section.validate(self);
        self.prefix = outer;
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn into_found(self) -> Vec<(String, String)> {
        self.found
    }
}
