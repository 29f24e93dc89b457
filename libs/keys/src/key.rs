//! Making a key. The plain text exists from here until it was shown once, and is wiped when dropped.

use std::fmt;

use zeroize::Zeroizing;

use crate::{
    CHECKSUM_START, KEY_LENGTH, PREFIX, PUBLIC_ID_START, PublicId, SECRET_START, SEPARATOR_AT,
    base62::{checksum, unbiased_character},
};

/// A new key in plain text.
pub struct PlainKey {
    text: Zeroizing<[u8; KEY_LENGTH]>,
    public_id: PublicId,
}

#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct RandomError(#[source] getrandom::Error);

impl PlainKey {
    pub fn generate() -> Result<Self, RandomError> {
        from_system(|random| Self::generate_with(random))
    }

    /// A new secret for a key that exists: what is printed in lists stays the same.
    pub fn generate_for(public_id: PublicId) -> Result<Self, RandomError> {
        from_system(|random| Self::with_public_id(public_id, random))
    }

    /// Makes a key of the bytes that `random` fills in; `None` once that says `false`. It is asked again for bytes that
    /// would bias the result, so a source that never gives one below 248 never ends.
    pub fn generate_with(random: &mut dyn FnMut(&mut [u8]) -> bool) -> Option<Self> {
        let mut public_id = [0; PublicId::LENGTH];
        fill_with_characters(&mut public_id, random)?;
        Self::with_public_id(PublicId::from_bytes(public_id).ok()?, random)
    }

    fn with_public_id(public_id: PublicId, random: &mut dyn FnMut(&mut [u8]) -> bool) -> Option<Self> {
        let mut text = Zeroizing::new([0; KEY_LENGTH]);
        text[..PUBLIC_ID_START].copy_from_slice(PREFIX.as_bytes());
        text[PUBLIC_ID_START..SEPARATOR_AT].copy_from_slice(public_id.as_bytes());
        text[SEPARATOR_AT] = b'_';
        fill_with_characters(&mut text[SECRET_START..CHECKSUM_START], random)?;
        let checksum = checksum(&text[..CHECKSUM_START]);
        text[CHECKSUM_START..].copy_from_slice(&checksum);
        Some(Self { public_id, text })
    }

    pub fn public_id(&self) -> PublicId {
        self.public_id
    }

    /// The secret itself: for the one answer that shows it, and for its MAC.
    pub fn expose(&self) -> &str {
        // ASCII by construction, so the default is never taken.
        std::str::from_utf8(self.text.as_slice()).unwrap_or_default()
    }
}

impl fmt::Debug for PlainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlainKey({})", self.public_id)
    }
}

/// What `make` makes of the system's random bytes.
fn from_system(
    make: impl FnOnce(&mut dyn FnMut(&mut [u8]) -> bool) -> Option<PlainKey>,
) -> Result<PlainKey, RandomError> {
    let mut failure = None;
    let key = make(&mut |bytes| match getrandom::fill(bytes) {
        Ok(()) => true,
        Err(error) => {
            failure = Some(error);
            false
        }
    });
    key.ok_or_else(|| RandomError(failure.unwrap_or(getrandom::Error::UNEXPECTED)))
}

fn fill_with_characters(target: &mut [u8], random: &mut dyn FnMut(&mut [u8]) -> bool) -> Option<()> {
    let mut filled = 0;
    let mut drawn = Zeroizing::new([0_u8; 64]);
    while filled < target.len() {
        if !random(drawn.as_mut_slice()) {
            return None;
        }
        for character in drawn.iter().copied().filter_map(unbiased_character) {
            let Some(place) = target.get_mut(filled) else { break };
            *place = character;
            filled += 1;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::ParsedKey;

    #[test]
    fn a_key_of_fixed_bytes_has_a_fixed_text() {
        let key = PlainKey::generate_with(&mut |bytes| {
            bytes.iter_mut().zip(0..).for_each(|(byte, value)| *byte = value);
            true
        });
        let key = key.unwrap();
        assert!(key.expose().starts_with("sk-maas-0123456789ABCDEF_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg"));
        assert_eq!(key.expose().len(), KEY_LENGTH);
    }

    #[test]
    fn bytes_that_would_bias_a_character_are_drawn_again() {
        let mut asked = 0;
        let key = PlainKey::generate_with(&mut |bytes| {
            asked += 1;
            bytes.fill(if asked % 2 == 1 { 248 } else { 61 });
            true
        });
        assert_eq!(key.unwrap().public_id().as_str(), "zzzzzzzzzzzzzzzz");
        assert_eq!(asked, 4);
    }

    #[test]
    fn without_random_bytes_there_is_no_key() {
        assert!(PlainKey::generate_with(&mut |_| false).is_none());
    }

    #[test]
    fn two_keys_differ() {
        assert_ne!(PlainKey::generate().unwrap().expose(), PlainKey::generate().unwrap().expose());
    }

    #[test]
    fn a_rotated_key_keeps_its_public_id_and_nothing_else() {
        let key = PlainKey::generate().unwrap();
        let rotated = PlainKey::generate_for(key.public_id()).unwrap();
        assert_eq!(rotated.public_id(), key.public_id());
        assert_eq!(ParsedKey::parse(rotated.expose().as_bytes()).unwrap().public_id(), key.public_id());
        assert_ne!(rotated.expose()[SECRET_START..CHECKSUM_START], key.expose()[SECRET_START..CHECKSUM_START]);
    }

    proptest! {
        #[test]
        fn every_generated_key_parses_back(seed in prop::array::uniform32(0_u8..248)) {
            let mut turn = 0_usize;
            let key = PlainKey::generate_with(&mut |bytes| {
                for byte in bytes.iter_mut() {
                    turn += 1;
                    *byte = seed[turn % 32].wrapping_add((turn / 32) as u8) % 248;
                }
                true
            }).unwrap();
            let parsed = ParsedKey::parse(key.expose().as_bytes()).unwrap();
            prop_assert_eq!(parsed.public_id(), key.public_id());
        }
    }
}
