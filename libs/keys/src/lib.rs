//! API keys: their text form, how they are made, and how one is checked against its stored MAC.
//!
//! A key is `sk-maas-` + 16 base62 characters of public id + `_` + 43 base62 characters of secret (256 bits) + 6 base62
//! characters of CRC-32 over everything before. The public id is printed in lists and finds the row; the whole text is
//! the secret, of which only an HMAC-SHA-256 under a versioned pepper is kept.
//!
//! This crate does no I/O, knows no database, and never prints, logs or compares a secret in variable time. To add a
//! pepper, add a version to the configuration: [`Peppers`] makes new MACs with the highest and checks with all. The same
//! peppers prove the ids of stored answers ([`ResponseId`]).
#![forbid(unsafe_code)]

mod base62;
mod key;
mod parse;
mod pepper;
mod public_id;
mod response_id;
mod sealing;

pub use key::{PlainKey, RandomError};
pub use parse::{MalformedKey, ParsedKey};
pub use pepper::{KeyMac, Pepper, PepperError, Peppers, PeppersError};
pub use public_id::{PublicId, PublicIdError};
pub use response_id::{MAX_UPSTREAM_RESPONSE_ID, ResponseId};
pub use sealing::{Sealed, SealingError, SealingKeys, credential_binding};

/// What every key starts with.
pub const PREFIX: &str = "sk-maas-";

/// The regular expression published for secret scanners. It matches every key and little else; the CRC tells the rest.
pub const SCANNER_PATTERN: &str = r"sk-maas-[0-9A-Za-z]{16}_[0-9A-Za-z]{49}";

/// The length of every key in bytes; the text is ASCII.
pub const KEY_LENGTH: usize = CHECKSUM_START + CHECKSUM_LENGTH;

const PUBLIC_ID_START: usize = PREFIX.len();
const SEPARATOR_AT: usize = PUBLIC_ID_START + PublicId::LENGTH;
const SECRET_START: usize = SEPARATOR_AT + 1;
/// 62^43 is a little more than 2^256.
const SECRET_LENGTH: usize = 43;
const CHECKSUM_START: usize = SECRET_START + SECRET_LENGTH;
/// 62^6 is a little more than 2^32.
const CHECKSUM_LENGTH: usize = 6;
