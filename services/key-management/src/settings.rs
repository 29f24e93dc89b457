//! The section `keys` of the configuration, and the peppers made of it.

use std::time::Duration;

use maas_keys::{Pepper, PepperError, Peppers, PeppersError};
use maas_runtime::config::{Faults, HumanDuration, Secret, Validate};
use serde::{Deserialize, Serialize};

use crate::domain::expiry::ExpiryPolicy;

const DAY: u64 = 24 * 60 * 60;
const PEPPER_BYTES: usize = 32;
/// In days.
const DEFAULT_PRESETS: [u64; 5] = [1, 7, 30, 90, 365];
const MAX_PRESETS: usize = 20;

/// How keys are made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeyManagementSettings {
    /// What new keys are hashed with; at least 32 bytes, as raw text, hexadecimal or base64. The proxies need the same.
    pub pepper: Secret,
    /// The version of `pepper`; grows by one with each new pepper.
    pub pepper_version: u32,
    /// The pepper of version `pepper_version` - 1, while keys under it are in use.
    pub previous_pepper: Secret,
    /// How long a key lives when its creator does not say.
    pub default_expiry: HumanDuration,
    /// The longest life a creator may ask for.
    pub max_expiry: HumanDuration,
    /// Whether `expires_in: "never"` is accepted.
    pub allow_never_expires: bool,
    /// The lives that people are offered; those above `max_expiry` are left out.
    pub expiry_presets: Vec<HumanDuration>,
    /// The longest time for which the secret before a rotation may go on working.
    pub max_rotation_overlap: HumanDuration,
    /// How long an ephemeral key stays in lists and in the database after its end.
    pub ephemeral_retention: HumanDuration,
}

#[derive(Debug, thiserror::Error)]
pub enum PepperSettingsError {
    #[error(transparent)]
    Pepper(#[from] PepperError),
    #[error(transparent)]
    Peppers(#[from] PeppersError),
}

#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes: {0}")]
pub struct NoRandomBytes(String);

impl Default for KeyManagementSettings {
    fn default() -> Self {
        Self {
            pepper: Secret::default(),
            pepper_version: 1,
            previous_pepper: Secret::default(),
            default_expiry: HumanDuration::from_secs(90 * DAY),
            max_expiry: HumanDuration::from_secs(365 * DAY),
            allow_never_expires: false,
            expiry_presets: DEFAULT_PRESETS.iter().map(|days| HumanDuration::from_secs(days * DAY)).collect(),
            max_rotation_overlap: HumanDuration::from_secs(30 * DAY),
            ephemeral_retention: HumanDuration::from_secs(DAY),
        }
    }
}

impl KeyManagementSettings {
    pub(crate) fn peppers(&self) -> Result<Peppers, PepperSettingsError> {
        let mut peppers = vec![Pepper::from_file_content(self.pepper_version, self.pepper.expose().as_bytes())?];
        if self.previous_pepper.is_set() {
            let version = self.pepper_version.saturating_sub(1);
            peppers.push(Pepper::from_file_content(version, self.previous_pepper.expose().as_bytes())?);
        }
        Ok(Peppers::new(peppers)?)
    }

    pub(crate) fn expiry_policy(&self) -> ExpiryPolicy {
        ExpiryPolicy {
            default: self.default_expiry.get(),
            maximum: self.max_expiry.get(),
            allow_never: self.allow_never_expires,
        }
    }

    /// The shortest first.
    pub(crate) fn expiry_presets(&self) -> Vec<Duration> {
        let allowed = self.expiry_presets.iter().filter(|preset| **preset <= self.max_expiry);
        let mut presets: Vec<Duration> = allowed.map(|preset| preset.get()).collect();
        presets.sort_unstable();
        presets.dedup();
        presets
    }
}

impl Validate for KeyManagementSettings {
    fn validate(&self, faults: &mut Faults) {
        if self.pepper_version == 0 {
            faults.add("pepper_version", "must be at least 1");
        }
        if self.previous_pepper.is_set() && self.pepper_version < 2 {
            faults.add("previous_pepper", "belongs to pepper_version - 1, so pepper_version must be at least 2");
        }
        if let Err(error) = self.peppers() {
            faults.add("pepper", error.to_string());
        }
        if self.default_expiry.get() < Duration::from_secs(60) {
            faults.add("default_expiry", "must be at least 1m");
        }
        if self.max_expiry < self.default_expiry {
            faults.add("max_expiry", "must not be shorter than default_expiry");
        }
        let is_too_short = |preset: &HumanDuration| preset.get() < Duration::from_secs(60);
        if self.expiry_presets.len() > MAX_PRESETS || self.expiry_presets.iter().any(is_too_short) {
            faults.add("expiry_presets", format!("at most {MAX_PRESETS}, each at least 1m"));
        }
        if self.max_rotation_overlap.get() < Duration::from_secs(60) {
            faults.add("max_rotation_overlap", "must be at least 1m");
        }
    }
}

/// A new pepper in the form that `pepper` takes, for a first start that has none.
pub fn generate_pepper() -> Result<String, NoRandomBytes> {
    let mut bytes = [0; PEPPER_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| NoRandomBytes(error.to_string()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn settings() -> KeyManagementSettings {
        KeyManagementSettings { pepper: Secret::new(generate_pepper().unwrap()), ..KeyManagementSettings::default() }
    }

    fn is_valid(settings: &KeyManagementSettings) -> bool {
        let mut faults = Faults::default();
        settings.validate(&mut faults);
        faults.is_empty()
    }

    #[test]
    fn the_defaults_with_a_pepper_are_valid() {
        assert!(is_valid(&settings()));
        assert!(!is_valid(&KeyManagementSettings::default()));
        assert!(!is_valid(&KeyManagementSettings { pepper: Secret::new("short"), ..settings() }));
    }

    #[test]
    fn a_previous_pepper_has_the_version_before() {
        let rotated = KeyManagementSettings {
            pepper_version: 2,
            previous_pepper: Secret::new(generate_pepper().unwrap()),
            ..settings()
        };
        let peppers = rotated.peppers().unwrap();
        assert_eq!(peppers.current().version(), 2);
        assert!(peppers.knows(1));
        assert!(!is_valid(&KeyManagementSettings { pepper_version: 1, ..rotated }));
    }

    #[test]
    fn presets_above_the_longest_life_are_not_offered() {
        let max_expiry = HumanDuration::from_secs(90 * DAY);
        let presets = KeyManagementSettings { max_expiry, ..settings() }.expiry_presets();
        assert_eq!(presets.iter().map(|preset| preset.as_secs() / DAY).collect::<Vec<_>>(), [1, 7, 30, 90]);
        let too_short = vec![HumanDuration::from_secs(30)];
        assert!(!is_valid(&KeyManagementSettings { expiry_presets: too_short, ..settings() }));
    }

    #[test]
    fn the_default_life_fits_in_the_longest() {
        let longest = HumanDuration::from_secs(DAY);
        assert!(!is_valid(&KeyManagementSettings { max_expiry: longest, ..settings() }));
    }
}
