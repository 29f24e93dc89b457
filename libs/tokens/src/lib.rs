//! The platform's access tokens: what they say, and how whoever has the public keys verifies them.
//!
//! A token is a JWT signed with Ed25519 (RFC 7519, RFC 8037). auth issues them; auth and the proxies verify them with
//! the same code. This crate does no I/O and never sees a private key. Whether the person still accepts a verified token
//! is another question: withdrawn tokens and disabled people are the caller's to know.
//!
//! To let tokens open one more door: a variant of [`Audience`], so that no token for another door opens it.
#![forbid(unsafe_code)]

mod key_set;

use maas_types::{Timestamp, TokenId, UserId};
use serde::{Deserialize, Serialize};

pub use key_set::{KeySet, MalformedKey, TokenRefused};

/// The longest token that is looked at. Ours have a few hundred bytes.
pub const MAX_TOKEN_BYTES: usize = 4_096;

/// What a token opens, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// The data plane, and the list of its models.
    #[default]
    Inference,
    /// The control plane, as its owner.
    Control,
}

impl Audience {
    /// As `aud` has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inference => "inference",
            Self::Control => "control",
        }
    }
}

/// What a token says, as far as rights follow from it. Members that are not here are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: Audience,
    pub sub: UserId,
    /// Unix seconds.
    pub iat: i64,
    /// Unix seconds; the token is good before it.
    pub exp: i64,
    pub jti: TokenId,
}

impl Claims {
    /// To the millisecond, as the id carries it: withdrawing tokens must not take those with it that come right after.
    pub fn issued_at(&self) -> Timestamp {
        self.jti.created_at()
    }

    pub fn expires_at(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.exp.saturating_mul(1_000))
    }
}

/// One public key, as a JSON Web Key has it (RFC 8037, `kty` OKP, `crv` Ed25519).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    #[serde(rename = "kid")]
    pub key_id: String,
    /// The 32 bytes as base64url.
    pub x: String,
}

/// What auth tells verifiers on its internal listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenKeys {
    /// `iss` of every token.
    pub issuer: String,
    /// Every key that tokens in use may be signed with, and those that will sign soon.
    pub keys: Vec<PublicKey>,
}

/// Whether the bytes have the form of a JWT: three parts of base64url. Says nothing about what is in them.
pub fn looks_like_token(presented: &[u8]) -> bool {
    // Every header object begins with `{"`, which base64url writes as `eyJ` or, with a space, `eyA`.
    presented.len() <= MAX_TOKEN_BYTES
        && presented.starts_with(b"ey")
        && presented.iter().filter(|byte| **byte == b'.').count() == 2
        && presented.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_parts_of_base64url_look_like_a_token() {
        assert!(looks_like_token(b"eyJhbGciOiJFZERTQSJ9.e30.c2ln"));
        let long = [b"eyJ".as_slice(), &[b'a'; MAX_TOKEN_BYTES], b".a.b"].concat();
        for other in [&b""[..], b"sk-maas-x", b"sha256~abc", b"eyJ.a", b"eyJ.a.b.c", b"eyJ.a+.b", b"eyJ.a\0.b", &long] {
            assert!(!looks_like_token(other));
        }
    }
}
