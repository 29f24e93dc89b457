//! The alphabet `0-9A-Za-z`: random characters without bias, and the checksum in it.

use crate::CHECKSUM_LENGTH;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The largest multiple of 62 that a byte can reach; bytes from here on would favour the first characters.
const ACCEPTED_BELOW: u8 = 248;

/// The character for a random byte, or `None` for the few bytes that must be drawn again to stay uniform.
pub fn unbiased_character(random: u8) -> Option<u8> {
    (random < ACCEPTED_BELOW).then(|| ALPHABET[usize::from(random % 62)])
}

pub fn is_base62(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_alphanumeric)
}

/// The CRC-32 (ISO-HDLC, as in zip and gzip) of `text`, most significant character first, padded with `0`. One value
/// has one text, so that comparing texts is comparing checksums.
pub fn checksum(text: &[u8]) -> [u8; CHECKSUM_LENGTH] {
    let mut rest = crc32fast::hash(text);
    let mut characters = [0; CHECKSUM_LENGTH];
    for character in characters.iter_mut().rev() {
        *character = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    characters
}
