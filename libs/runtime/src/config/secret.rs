//! Secrets in settings: never printed, cleared from memory when dropped.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How a set secret looks wherever settings are shown.
pub(super) const SHOWN_SET: &str = "***";
/// How an unset secret looks in shown settings. The loader tells secret fields from others by these two texts.
pub(super) const SHOWN_UNSET: &str = "(unset secret)";

/// A password, token or URL that may hold one. Empty means unset; a secret has no default other than unset.
///
/// A field `x` of this type may also be given as `x_file`, the path of a file that holds the value. Use it plainly,
/// never as `Option<Secret>`: the loader would no longer see that the field is a secret.
#[derive(Clone, Default)]
pub struct Secret(SecretString);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(SecretString::from(value.into()))
    }

    pub fn is_set(&self) -> bool {
        !self.expose().is_empty()
    }

    /// The value itself: hand it on, never keep or print it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_set() { SHOWN_SET } else { SHOWN_UNSET })
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.is_set() { SHOWN_SET } else { SHOWN_UNSET })
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}
