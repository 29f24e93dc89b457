//! What is stored of a key: HMAC-SHA-256 of its whole text under a pepper that lives outside the database.
//!
//! Guarantee: whoever has the database but no pepper can neither use a key nor test a guess. A database row names the
//! version of its pepper, so peppers can be replaced while old keys go on working.

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::ParsedKey;

/// The stored form of a key. Not secret in the sense of the key, but no business of any log either.
pub type KeyMac = [u8; 32];

/// One version of the pepper, already keyed: checking a key clones this state instead of hashing the pepper again.
#[derive(Clone)]
pub struct Pepper {
    version: u32,
    keyed: Hmac<Sha256>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pepper version {version} has {length} bytes, at least {} are needed", Pepper::MIN_LENGTH)]
pub struct PepperError {
    pub version: u32,
    pub length: usize,
}

/// Every pepper that stored keys may name.
#[derive(Clone)]
pub struct Peppers {
    /// Ascending by version, never empty: the last one is the current one.
    by_version: Vec<Pepper>,
    current: Pepper,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeppersError {
    #[error("no pepper is configured")]
    None,
    #[error("pepper version {0} is configured twice")]
    Duplicate(u32),
}

impl Pepper {
    pub const MIN_LENGTH: usize = 32;

    pub fn new(version: u32, secret: &[u8]) -> Result<Self, PepperError> {
        let too_short = PepperError { version, length: secret.len() };
        if secret.len() < Self::MIN_LENGTH {
            return Err(too_short);
        }
        // HMAC takes keys of every length, so the error cannot occur.
        let keyed = Hmac::new_from_slice(secret).map_err(|_| too_short)?;
        Ok(Self { version, keyed })
    }

    /// Reads the content of a secret file. White space at both ends is cut off; then what is all hexadecimal digits is
    /// hexadecimal, what is valid base64 (standard alphabet, padded or not) is base64, everything else is raw bytes.
    pub fn from_file_content(version: u32, content: &[u8]) -> Result<Self, PepperError> {
        let content = content.trim_ascii();
        let secret = decode_hex(content).or_else(|| decode_base64(content));
        Self::new(version, secret.as_deref().map_or(content, Vec::as_slice))
    }

    pub fn version(&self) -> u32 {
        self.version
    }

    /// The MAC of the whole key text. Hot path: three SHA-256 blocks and no allocation.
    pub fn mac(&self, key: &ParsedKey<'_>) -> KeyMac {
        let mut mac = self.keyed.clone();
        mac.update(key.secret_text());
        mac.finalize().into_bytes().into()
    }

    /// The MAC of something that is no key; `purpose` keeps the uses apart.
    pub(crate) fn mac_of(&self, purpose: &[u8], content: &[u8]) -> [u8; 32] {
        let mut mac = self.keyed.clone();
        mac.update(purpose);
        mac.update(content);
        mac.finalize().into_bytes().into()
    }
}

impl Peppers {
    pub fn new(mut peppers: Vec<Pepper>) -> Result<Self, PeppersError> {
        peppers.sort_by_key(Pepper::version);
        if let Some(twice) = peppers.windows(2).find(|pair| pair[0].version == pair[1].version) {
            return Err(PeppersError::Duplicate(twice[0].version));
        }
        let current = peppers.last().cloned().ok_or(PeppersError::None)?;
        Ok(Self { by_version: peppers, current })
    }

    /// The pepper for new keys: the highest version.
    pub fn current(&self) -> &Pepper {
        &self.current
    }

    /// True if the stored MAC is that of `key`, compared in constant time. A version that is not configured is no
    /// match: the key cannot be checked, so it does not work.
    pub fn verify(&self, key: &ParsedKey<'_>, expected: &KeyMac, pepper_version: u32) -> bool {
        self.find(pepper_version).is_some_and(|pepper| pepper.mac(key).ct_eq(expected).into())
    }

    pub(crate) fn find(&self, version: u32) -> Option<&Pepper> {
        self.by_version.iter().find(|pepper| pepper.version == version)
    }

    /// Whether keys under this pepper version can be checked at all.
    pub fn knows(&self, pepper_version: u32) -> bool {
        self.find(pepper_version).is_some()
    }
}

pub(crate) fn decode_hex(content: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if !content.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| (byte as char).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let bytes = content.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?));
    bytes.collect::<Option<Vec<u8>>>().map(Zeroizing::new)
}

fn decode_base64(content: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&base64::alphabet::STANDARD, config);
    engine.decode(content).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::PlainKey;

    fn pepper(version: u32) -> Pepper {
        Pepper::new(version, &[version as u8; 32]).unwrap()
    }

    #[test]
    fn a_key_verifies_under_its_own_pepper_only() {
        let key = PlainKey::generate().unwrap();
        let key = ParsedKey::parse(key.expose().as_bytes()).unwrap();
        let peppers = Peppers::new(vec![pepper(2), pepper(1)]).unwrap();
        assert_eq!(peppers.current().version(), 2);

        let mac = peppers.current().mac(&key);
        assert!(peppers.verify(&key, &mac, 2));
        assert!(!peppers.verify(&key, &mac, 1));
        assert!(!peppers.verify(&key, &mac, 3), "an unknown version is no match");
        assert!(peppers.knows(1) && !peppers.knows(3));
    }

    #[test]
    fn another_key_does_not_verify() {
        let (one, other) = (PlainKey::generate().unwrap(), PlainKey::generate().unwrap());
        let one = ParsedKey::parse(one.expose().as_bytes()).unwrap();
        let other = ParsedKey::parse(other.expose().as_bytes()).unwrap();
        let peppers = Peppers::new(vec![pepper(1)]).unwrap();
        assert!(!peppers.verify(&other, &pepper(1).mac(&one), 1));
    }

    #[test]
    fn the_mac_is_plain_hmac_sha_256_over_the_whole_text() {
        let key = PlainKey::generate().unwrap();
        let mut reference = Hmac::<Sha256>::new_from_slice(&[1; 32]).unwrap();
        reference.update(key.expose().as_bytes());
        let parsed = ParsedKey::parse(key.expose().as_bytes()).unwrap();
        assert_eq!(pepper(1).mac(&parsed), <KeyMac>::from(reference.finalize().into_bytes()));
    }

    #[test]
    fn the_same_pepper_is_read_from_hex_base64_and_raw_files() {
        let key = PlainKey::generate().unwrap();
        let key = ParsedKey::parse(key.expose().as_bytes()).unwrap();
        let raw = [0xA7_u8; 33];
        let base64 = base64::engine::general_purpose::STANDARD.encode(raw);
        let expected = Pepper::new(1, &raw).unwrap().mac(&key);
        for content in [raw.to_vec(), b"A7".repeat(33), format!(" {base64}\n").into_bytes()] {
            assert_eq!(Pepper::from_file_content(1, &content).unwrap().mac(&key), expected);
        }
    }

    #[test]
    fn short_missing_and_repeated_peppers_are_refused() {
        let short = Pepper::from_file_content(7, b"0123456789abcdef0123456789abcdef").err();
        assert_eq!(short, Some(PepperError { version: 7, length: 16 }));
        assert_eq!(Peppers::new(vec![]).err(), Some(PeppersError::None));
        assert_eq!(Peppers::new(vec![pepper(3), pepper(3)]).err(), Some(PeppersError::Duplicate(3)));
    }
}
