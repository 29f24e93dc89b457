//! The signing keys in the order of their use, and which of them signs and verifies when.
//!
//! A key is published some minutes before it signs, so that everybody who verifies has it by then; it is kept until
//! the last token that it can have signed has expired. Of each moment there is one key that signs, the same at every
//! replica, since it follows from the rows and the time alone.

use std::time::Duration;

use maas_tokens::{Audience, Claims, KeySet, MalformedKey, PublicKey, TokenKeys, TokenRefused};
use maas_types::Timestamp;

use super::{
    key_sealing::{KeySealing, SealingError},
    signing::{SigningKeyError, SigningPair},
};

/// Between publishing a key and signing with it: longer than replicas (10 s), proxies (60 s) and caches of the key set
/// (5 min) go without looking again.
pub const PUBLISHED_BEFORE_USE: Duration = Duration::from_secs(6 * 60);
/// A replica that does not have a newly configured key yet signs with the one before meanwhile.
const REPLICAS_AGREE_WITHIN: Duration = Duration::from_secs(3_600);

/// One key, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyRow {
    pub public: PublicKey,
    /// `None`: it is a configured one, and its private half is not stored.
    pub sealed: Option<Vec<u8>>,
    pub created_at: Timestamp,
    /// It signs from here on, until a later key does.
    pub used_from: Timestamp,
    /// Once there is a later one: until when it is published and verifies.
    pub kept_until: Option<Timestamp>,
}

impl SigningKeyRow {
    /// A key whose private half comes from the configuration.
    pub fn configured(pair: &SigningPair, used_from: Timestamp, now: Timestamp) -> Self {
        Self { public: pair.public.clone(), sealed: None, created_at: now, used_from, kept_until: None }
    }

    /// The row once another key signs from `next_used_from` on, with tokens that live at most `longest`.
    pub fn followed(self, next_used_from: Timestamp, longest: Duration) -> Self {
        let kept_until = next_used_from.plus(longest).plus(REPLICAS_AGREE_WITHIN);
        Self { kept_until: Some(self.kept_until.unwrap_or(kept_until)), ..self }
    }

    pub fn is_kept(&self, now: Timestamp) -> bool {
        self.kept_until.is_none_or(|until| now < until)
    }
}

/// What this process knows from its configuration.
pub struct ConfiguredKeys {
    pub current: SigningPair,
    pub previous: Option<SigningPair>,
    sealings: Vec<KeySealing>,
}

impl ConfiguredKeys {
    /// Keys as PKCS#8 PEM or base64 seed.
    pub fn parse(current: &str, previous: Option<&str>) -> Result<Self, SigningKeyError> {
        let current = SigningPair::parse(current)?;
        let previous = previous.map(SigningPair::parse).transpose()?;
        let sealings = std::iter::once(&current).chain(&previous).map(KeySealing::under);
        let sealings = sealings.collect::<Result<_, _>>().map_err(|_| SigningKeyError::Malformed)?;
        Ok(Self { current, previous, sealings })
    }

    /// A new key, sealed under the current configured one.
    pub fn generate(&self, used_from: Timestamp, now: Timestamp) -> Result<SigningKeyRow, GenerateError> {
        let pair = SigningPair::generate()?;
        let sealed = KeySealing::under(&self.current)?.seal(&pair)?;
        let public = pair.public;
        Ok(SigningKeyRow { public, sealed: Some(sealed), created_at: now, used_from, kept_until: None })
    }

    /// The private half of the row's key, if this process can have it.
    pub fn open(&self, row: &SigningKeyRow) -> Option<SigningPair> {
        let Some(sealed) = &row.sealed else {
            let configured = std::iter::once(&self.current).chain(&self.previous);
            let pair = configured.into_iter().find(|pair| pair.public == row.public)?;
            return SigningPair::from_seed(pair.seed()).ok();
        };
        self.sealings.iter().find_map(|sealing| sealing.open(sealed, &row.public.key_id))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    #[error(transparent)]
    Key(#[from] SigningKeyError),
    #[error(transparent)]
    Sealing(#[from] SealingError),
}

/// The keys that are kept, with the private halves that this process can have.
pub struct KeyRing {
    /// The last one that is used first.
    signing: Vec<(Timestamp, SigningPair)>,
    verifying: KeySet,
}

impl KeyRing {
    pub fn assemble(
        rows: &[SigningKeyRow],
        configured: &ConfiguredKeys,
        issuer: &str,
        now: Timestamp,
    ) -> Result<Self, MalformedKey> {
        let kept = || rows.iter().filter(|row| row.is_kept(now));
        let keys = kept().map(|row| row.public.clone()).collect();
        let opened = kept().filter_map(|row| Some((row.used_from, configured.open(row)?)));
        let mut signing: Vec<_> = opened.collect();
        signing.sort_by(|(one, _), (other, _)| other.cmp(one));
        Ok(Self { signing, verifying: KeySet::new(TokenKeys { issuer: issuer.to_owned(), keys })? })
    }

    /// The key that signs now.
    pub fn signer(&self, now: Timestamp) -> Option<&SigningPair> {
        self.signing.iter().find(|(used_from, _)| *used_from <= now).map(|(_, pair)| pair)
    }

    pub fn verify(&self, unverified: &str, audiences: &[Audience], now: Timestamp) -> Result<Claims, TokenRefused> {
        self.verifying.verify(unverified, audiences, now)
    }

    pub fn public_keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.verifying.public_keys()
    }
}

#[cfg(test)]
#[path = "key_ring_tests.rs"]
mod tests;
