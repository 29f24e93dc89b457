//! Sealing secrets for storage: XChaCha20-Poly1305 under a versioned key, bound to where the secret belongs.
//!
//! Guarantee: what was sealed for one place opens nowhere else, and any change to it is noticed. A key version that is
//! not configured cannot be opened; nothing is ever opened "without checking".

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use zeroize::Zeroizing;

/// A sealed secret, as it is stored and travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    pub key_version: u32,
    pub nonce: [u8; 24],
    pub ciphertext: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealingError {
    #[error("an encryption key has 32 bytes (64 hexadecimal digits)")]
    BadKey,
    #[error("no encryption key of version {0} is configured")]
    UnknownVersion(u32),
    #[error("the secret was changed, sealed under another key, or belongs elsewhere")]
    Refused,
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}

/// Every key that stored secrets may name. The highest version seals.
#[derive(Clone)]
pub struct SealingKeys {
    by_version: Vec<(u32, XChaCha20Poly1305)>,
}

impl SealingKeys {
    /// Each key as 64 hexadecimal digits, with its version.
    pub fn from_hex(keys: &[(u32, &str)]) -> Result<Self, SealingError> {
        let mut by_version = Vec::with_capacity(keys.len());
        for (version, text) in keys {
            let key = crate::pepper::decode_hex(text.trim().as_bytes()).ok_or(SealingError::BadKey)?;
            let cipher = XChaCha20Poly1305::new_from_slice(key.as_slice()).map_err(|_| SealingError::BadKey)?;
            by_version.push((*version, cipher));
        }
        by_version.sort_by_key(|(version, _)| *version);
        Ok(Self { by_version })
    }

    /// Seals for the place named by `bound_to`.
    pub fn seal(&self, secret: &[u8], bound_to: &[u8]) -> Result<Sealed, SealingError> {
        let (key_version, cipher) = self.by_version.last().ok_or(SealingError::UnknownVersion(0))?;
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).map_err(|_| SealingError::NoRandomness)?;
        let payload = Payload { msg: secret, aad: bound_to };
        let ciphertext = cipher.encrypt(XNonce::from_slice(&nonce), payload).map_err(|_| SealingError::Refused)?;
        Ok(Sealed { key_version: *key_version, nonce, ciphertext })
    }

    /// Opens what was sealed for `bound_to`.
    pub fn open(&self, sealed: &Sealed, bound_to: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealingError> {
        let cipher = self.by_version.iter().find(|(version, _)| *version == sealed.key_version);
        let (_, cipher) = cipher.ok_or(SealingError::UnknownVersion(sealed.key_version))?;
        let payload = Payload { msg: &sealed.ciphertext, aad: bound_to };
        let opened = cipher.decrypt(XNonce::from_slice(&sealed.nonce), payload).map_err(|_| SealingError::Refused)?;
        Ok(Zeroizing::new(opened))
    }
}

/// What an upstream's credential is bound to: its row, and the origin that it may be sent to.
pub fn credential_binding(upstream_id: &str, scheme: &str, authority: &str) -> String {
    format!("upstream credential v1\n{upstream_id}\n{scheme}://{}", authority.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const OTHER: &str = "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[test]
    fn a_secret_opens_only_where_it_belongs() {
        let keys = SealingKeys::from_hex(&[(1, KEY)]).unwrap();
        let here = credential_binding("ups_1", "https", "API.example.com");
        let sealed = keys.seal(b"provider secret", here.as_bytes()).unwrap();
        assert!(!sealed.ciphertext.windows(8).any(|window| window == b"provider"));
        let same = credential_binding("ups_1", "https", "api.example.com");
        assert_eq!(keys.open(&sealed, same.as_bytes()).unwrap().as_slice(), b"provider secret");
        let elsewhere = credential_binding("ups_1", "https", "evil.example");
        assert_eq!(keys.open(&sealed, elsewhere.as_bytes()), Err(SealingError::Refused));
    }

    #[test]
    fn the_newest_key_seals_and_old_ones_still_open() {
        let old = SealingKeys::from_hex(&[(1, KEY)]).unwrap().seal(b"s", b"x").unwrap();
        let both = SealingKeys::from_hex(&[(2, OTHER), (1, KEY)]).unwrap();
        assert_eq!(both.seal(b"s", b"x").unwrap().key_version, 2);
        assert_eq!(both.open(&old, b"x").unwrap().as_slice(), b"s");
        let without = SealingKeys::from_hex(&[(2, OTHER)]).unwrap();
        assert_eq!(without.open(&old, b"x"), Err(SealingError::UnknownVersion(1)));
        assert!(SealingKeys::from_hex(&[(1, "short")]).is_err());
    }
}
