//! Ids of stored answers (OpenAI's Responses) as clients get them: `resp_` and an authenticated statement of which
//! upstream made the answer and who owns it.
//!
//! Guarantee: an id that this platform did not give out does not open, so that it can be trusted to route by, and every
//! proxy with the same peppers opens it. What it says is no secret from its owner; only its truth is protected.
//!
//! Form: base64url without padding over version (1 byte), pepper version (4, big endian), upstream (16), owner (16), the
//! upstream's own id, and the first 16 bytes of an HMAC-SHA-256 over all before it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;

use crate::{Pepper, Peppers};

const PREFIX: &str = "resp_";
const VERSION: u8 = 1;
const HEAD_LENGTH: usize = 1 + 4 + 16 + 16;
const MAC_LENGTH: usize = 16;
/// The longest id of an upstream that is taken, in bytes.
pub const MAX_UPSTREAM_RESPONSE_ID: usize = 256;
/// Keeps these MACs apart from those of keys, whose texts begin with `sk-maas-`.
const PURPOSE: &[u8] = b"response id\n";

/// Whose answer it is, and what its maker calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseId {
    pub upstream: [u8; 16],
    pub owner: [u8; 16],
    pub original: String,
}

impl ResponseId {
    /// The text for clients; `None` if the upstream's id is empty or too long to carry.
    pub fn to_text(&self, peppers: &Peppers) -> Option<String> {
        if self.original.is_empty() || self.original.len() > MAX_UPSTREAM_RESPONSE_ID {
            return None;
        }
        let pepper = peppers.current();
        let mut bytes = Vec::with_capacity(HEAD_LENGTH + self.original.len() + MAC_LENGTH);
        bytes.push(VERSION);
        bytes.extend_from_slice(&pepper.version().to_be_bytes());
        bytes.extend_from_slice(&self.upstream);
        bytes.extend_from_slice(&self.owner);
        bytes.extend_from_slice(self.original.as_bytes());
        let mac = mac(pepper, &bytes);
        bytes.extend_from_slice(&mac);
        Some(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Opens what a client sends. `None` for everything that was not made here, damaged or forged: all the same to the
    /// caller.
    pub fn open(text: &str, peppers: &Peppers) -> Option<Self> {
        let encoded = text.strip_prefix(PREFIX)?;
        if encoded.len() > (HEAD_LENGTH + MAX_UPSTREAM_RESPONSE_ID + MAC_LENGTH) * 4 / 3 + 4 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let (said, presented) = bytes.split_at_checked(bytes.len().checked_sub(MAC_LENGTH)?)?;
        let (head, original) = said.split_at_checked(HEAD_LENGTH)?;
        let (&version, head) = head.split_first()?;
        let (pepper_version, head) = head.split_first_chunk::<4>()?;
        let pepper = peppers.find(u32::from_be_bytes(*pepper_version))?;
        if version != VERSION || !bool::from(mac(pepper, said).ct_eq(presented)) {
            return None;
        }
        let (upstream, owner) = head.split_first_chunk::<16>()?;
        let original = std::str::from_utf8(original).ok().filter(|original| !original.is_empty())?;
        Some(Self { upstream: *upstream, owner: owner.try_into().ok()?, original: original.to_owned() })
    }
}

fn mac(pepper: &Pepper, said: &[u8]) -> [u8; MAC_LENGTH] {
    let whole = pepper.mac_of(PURPOSE, said);
    let mut kept = [0; MAC_LENGTH];
    kept.copy_from_slice(&whole[..MAC_LENGTH]);
    kept
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn peppers(versions: &[u32]) -> Peppers {
        Peppers::new(versions.iter().map(|&version| Pepper::new(version, &[version as u8 + 1; 32]).unwrap()).collect())
            .unwrap()
    }

    fn id() -> ResponseId {
        ResponseId { upstream: [7; 16], owner: [9; 16], original: "resp_68a/ü".to_owned() }
    }

    #[test]
    fn an_id_opens_wherever_the_pepper_is_known() {
        let text = id().to_text(&peppers(&[1])).unwrap();
        assert!(text.starts_with("resp_") && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
        assert_eq!(ResponseId::open(&text, &peppers(&[1, 2])), Some(id()));
        assert_eq!(ResponseId::open(&text, &peppers(&[2])), None);
    }

    #[test]
    fn nothing_that_was_changed_opens() {
        let text = id().to_text(&peppers(&[1])).unwrap();
        for at in PREFIX.len()..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            // The last digit has bits that mean nothing; strict decoding refuses them all.
            assert_eq!(ResponseId::open(&forged, &peppers(&[1])), None, "{at}");
        }
        for text in ["", "resp_", "resp_AAAA", "resp_68a0b1c2", "msg_1", &format!("resp_{}", "A".repeat(10_000))] {
            assert_eq!(ResponseId::open(text, &peppers(&[1])), None, "{text}");
        }
    }

    #[test]
    fn ids_that_cannot_be_carried_are_told() {
        assert!(ResponseId { original: String::new(), ..id() }.to_text(&peppers(&[1])).is_none());
        assert!(ResponseId { original: "x".repeat(257), ..id() }.to_text(&peppers(&[1])).is_none());
    }
}
