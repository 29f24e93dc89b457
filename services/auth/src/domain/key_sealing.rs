//! Signing keys as they are stored: sealed under a key that is derived from the configured one.
//!
//! Guarantee: whoever has the database alone can sign nothing, and a sealed key opens only under its own id. Whoever has
//! the configured key alone can sign only while that key is itself one of those in use.

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    random::{self, RandomUnavailable},
    signing::SigningPair,
};

/// Keeps what is derived here apart from any other use of the same secret.
const PURPOSE: &[u8] = b"maas auth: sealing of signing keys, v1";
const NONCE_BYTES: usize = 24;

#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    #[error("the signing key cannot be sealed")]
    Refused,
}

pub struct KeySealing(XChaCha20Poly1305);

impl KeySealing {
    /// From the configured key; the same one opens again.
    pub fn under(configured: &SigningPair) -> Result<Self, SealingError> {
        let mut key = Zeroizing::new([0; 32]);
        let derived = Hkdf::<Sha256>::new(None, configured.seed()).expand(PURPOSE, key.as_mut());
        derived.map_err(|_| SealingError::Refused)?;
        XChaCha20Poly1305::new_from_slice(key.as_ref()).map(Self).map_err(|_| SealingError::Refused)
    }

    /// Nonce and ciphertext.
    pub fn seal(&self, pair: &SigningPair) -> Result<Vec<u8>, SealingError> {
        let nonce: [u8; NONCE_BYTES] = random::bytes()?;
        let payload = Payload { msg: pair.seed(), aad: pair.public.key_id.as_bytes() };
        let ciphertext = self.0.encrypt(XNonce::from_slice(&nonce), payload).map_err(|_| SealingError::Refused)?;
        Ok([nonce.as_slice(), &ciphertext].concat())
    }

    /// `None` if it was sealed under another key, for another id, or was changed.
    pub fn open(&self, sealed: &[u8], key_id: &str) -> Option<SigningPair> {
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_BYTES)?;
        let payload = Payload { msg: ciphertext, aad: key_id.as_bytes() };
        let opened = Zeroizing::new(self.0.decrypt(XNonce::from_slice(nonce), payload).ok()?);
        let pair = SigningPair::from_seed(opened.as_slice().try_into().ok()?).ok()?;
        (pair.public.key_id == key_id).then_some(pair)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_only_under_the_configured_key_and_its_own_id() {
        let (configured, other) = (SigningPair::generate().unwrap(), SigningPair::generate().unwrap());
        let pair = SigningPair::generate().unwrap();
        let sealing = KeySealing::under(&configured).unwrap();
        let mut sealed = sealing.seal(&pair).unwrap();
        assert!(!sealed.windows(32).any(|window| window == pair.seed()));
        assert_eq!(sealing.open(&sealed, &pair.public.key_id).unwrap().public, pair.public);
        assert!(sealing.open(&sealed, &other.public.key_id).is_none());
        assert!(KeySealing::under(&other).unwrap().open(&sealed, &pair.public.key_id).is_none());
        sealed[30] ^= 1;
        assert!(sealing.open(&sealed, &pair.public.key_id).is_none());
        assert!(sealing.open(&[], &pair.public.key_id).is_none());
    }
}
