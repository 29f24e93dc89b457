//! The first gate for what strangers send: prefix, length, alphabet and checksum, without allocating. What does not
//! pass here reaches neither cache nor database.

use std::fmt;

use crate::{
    CHECKSUM_START, KEY_LENGTH, PREFIX, PUBLIC_ID_START, PublicId, SECRET_START, SEPARATOR_AT,
    base62::{checksum, is_base62},
};

/// A well-formed key, still inside the request it came with. That it is well-formed says nothing about its being known.
#[derive(Clone, Copy)]
pub struct ParsedKey<'a> {
    text: &'a [u8; KEY_LENGTH],
    public_id: PublicId,
}

/// Why a string cannot be a key of ours. For counters and logs: a client hears one answer for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedKey {
    #[error("a key starts with `{PREFIX}`")]
    Prefix,
    #[error("a key has {KEY_LENGTH} characters")]
    Length,
    #[error("a key holds letters and digits after its prefix, and one underscore")]
    Alphabet,
    #[error("the checksum of the key is wrong: a character is missing or mistyped")]
    Checksum,
}

impl<'a> ParsedKey<'a> {
    pub fn parse(text: &'a [u8]) -> Result<Self, MalformedKey> {
        if !text.starts_with(PREFIX.as_bytes()) {
            return Err(MalformedKey::Prefix);
        }
        let text: &[u8; KEY_LENGTH] = text.try_into().map_err(|_| MalformedKey::Length)?;
        if text[SEPARATOR_AT] != b'_' || !is_base62(&text[SECRET_START..]) {
            return Err(MalformedKey::Alphabet);
        }
        let public_id =
            text[PUBLIC_ID_START..SEPARATOR_AT].try_into().ok().and_then(|bytes| PublicId::from_bytes(bytes).ok());
        let public_id = public_id.ok_or(MalformedKey::Alphabet)?;
        // The checksum is no secret and guards against typing errors only, so a plain comparison is right.
        if text[CHECKSUM_START..] != checksum(&text[..CHECKSUM_START]) {
            return Err(MalformedKey::Checksum);
        }
        Ok(Self { text, public_id })
    }

    pub fn public_id(&self) -> PublicId {
        self.public_id
    }

    /// The whole key, which is the secret: for the MAC and nothing else.
    pub(crate) fn secret_text(&self) -> &'a [u8; KEY_LENGTH] {
        self.text
    }
}

impl fmt::Debug for ParsedKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParsedKey({})", self.public_id)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::PlainKey;

    #[test]
    fn each_fault_has_its_own_name() {
        let key = PlainKey::generate().unwrap();
        let text = key.expose();
        let parse = |text: &str| ParsedKey::parse(text.as_bytes()).err();
        assert_eq!(parse(text), None);
        assert_eq!(parse(""), Some(MalformedKey::Prefix));
        assert_eq!(parse(&text.replace("sk-maas-", "sk-proj-")), Some(MalformedKey::Prefix));
        assert_eq!(parse(&text[..73]), Some(MalformedKey::Length));
        assert_eq!(parse(&format!("{text} ")), Some(MalformedKey::Length));
        assert_eq!(parse(&text.replace('_', "0")), Some(MalformedKey::Alphabet));
        let swapped = format!("{}{}", &text[..68], if text.ends_with("000000") { "000001" } else { "000000" });
        assert_eq!(parse(&swapped), Some(MalformedKey::Checksum));
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let key = PlainKey::generate().unwrap();
        let parsed = ParsedKey::parse(key.expose().as_bytes()).unwrap();
        assert!(!format!("{parsed:?} {key:?}").contains(&key.expose()[SECRET_START..SECRET_START + 8]));
    }

    proptest! {
        #[test]
        fn any_single_changed_character_is_refused(at in 0..KEY_LENGTH, replacement: u8) {
            let key = PlainKey::generate().unwrap();
            let mut text = key.expose().as_bytes().to_vec();
            prop_assume!(text[at] != replacement);
            text[at] = replacement;
            prop_assert!(ParsedKey::parse(&text).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic_and_are_refused(bytes: Vec<u8>) {
            prop_assert!(ParsedKey::parse(&bytes).is_err());
        }

        #[test]
        fn arbitrary_bytes_behind_the_prefix_are_refused(rest in prop::collection::vec(any::<u8>(), 60..72)) {
            let text = [PREFIX.as_bytes(), &rest].concat();
            prop_assert!(ParsedKey::parse(&text).is_err());
        }
    }
}
