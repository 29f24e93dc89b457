//! The part of a key that may be shown.

use std::{fmt, str::FromStr};

use crate::{PREFIX, base62};

/// Sixteen base62 characters that name a key without giving anything of its secret away.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicId([u8; Self::LENGTH]);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the public id of a key: expected 16 letters and digits")]
pub struct PublicIdError;

impl PublicId {
    pub const LENGTH: usize = 16;

    pub fn from_bytes(bytes: [u8; Self::LENGTH]) -> Result<Self, PublicIdError> {
        if base62::is_base62(&bytes) { Ok(Self(bytes)) } else { Err(PublicIdError) }
    }

    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    pub fn as_str(&self) -> &str {
        // ASCII by construction, so the default is never taken.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// How lists show the key: `sk-maas-<public id>…`.
    pub fn masked_key(&self) -> String {
        format!("{PREFIX}{self}…")
    }
}

impl fmt::Display for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PublicId {
    type Err = PublicIdError;

    fn from_str(text: &str) -> Result<Self, PublicIdError> {
        Self::from_bytes(text.as_bytes().try_into().map_err(|_| PublicIdError)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_public_id_round_trips_and_is_shown_masked() {
        let id: PublicId = "0123456789abcDEF".parse().unwrap();
        assert_eq!(id.to_string(), "0123456789abcDEF");
        assert_eq!(id.masked_key(), "sk-maas-0123456789abcDEF…");
    }

    #[test]
    fn other_lengths_and_alphabets_are_refused() {
        for text in ["", "0123456789abcDE", "0123456789abcDEF0", "0123456789abcDE_", "0123456789abcDé"] {
            assert_eq!(text.parse::<PublicId>(), Err(PublicIdError), "{text}");
        }
    }
}
