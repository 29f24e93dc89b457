//! Keeping signing keys: the configured one is the first, later ones are made here, each in its time.
//!
//! Every change is one transaction that only one replica can be in. All others see it at their next look, well before
//! it matters: see [`PUBLISHED_BEFORE_USE`].

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, Guard};
use maas_store::StoreError;
use maas_tokens::{MalformedKey, TokenKeys};
use maas_types::Timestamp;
use sea_orm::DatabaseTransaction;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Core, audited, initiator::Initiator};
use crate::{
    domain::key_ring::{ConfiguredKeys, GenerateError, KeyRing, PUBLISHED_BEFORE_USE, SigningKeyRow},
    store,
};

const LOOK_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum SigningKeysError {
    /// The key before has not begun to sign.
    #[error("a new key was published already and signs from {0} on")]
    UnderWay(Timestamp),
    #[error(transparent)]
    Generate(#[from] GenerateError),
    #[error(transparent)]
    Malformed(#[from] MalformedKey),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The keys as of the last look.
pub struct SigningKeys {
    issuer: String,
    configured: ConfiguredKeys,
    ring: ArcSwap<KeyRing>,
    /// Of the last look, in unix milliseconds.
    looked_at: AtomicI64,
}

impl SigningKeys {
    /// Knows no key until [`Core::prepare_signing_keys`] has looked.
    pub fn new(issuer: String, configured: ConfiguredKeys) -> Result<Self, MalformedKey> {
        let ring = KeyRing::assemble(&[], &configured, &issuer, Timestamp::EPOCH)?;
        Ok(Self { issuer, configured, ring: ArcSwap::from_pointee(ring), looked_at: AtomicI64::new(0) })
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    pub fn ring(&self) -> Guard<Arc<KeyRing>> {
        self.ring.load()
    }

    fn age_seconds(&self, now: Timestamp) -> i64 {
        let looked_at = Timestamp::from_unix_ms(self.looked_at.load(Ordering::Relaxed));
        i64::try_from(now.since(looked_at).as_secs()).unwrap_or(i64::MAX)
    }

    /// What verifiers need to know.
    pub fn public(&self) -> TokenKeys {
        TokenKeys { issuer: self.issuer.clone(), keys: self.ring().public_keys().cloned().collect() }
    }
}

impl Core {
    /// At the start: the configured key is among the keys, and one of them signs.
    pub async fn prepare_signing_keys(&self) -> Result<(), SigningKeysError> {
        let now = self.now();
        let transaction = self.database.begin().await?;
        store::signing_key::hold(&transaction).await?;
        let rows = store::signing_key::list(&transaction).await?;
        self.add_configured(&transaction, &rows, now).await?;
        let rows = store::signing_key::list(&transaction).await?;
        let ring = KeyRing::assemble(&rows, &self.signing.configured, &self.signing.issuer, now)?;
        if ring.signer(now).is_none() {
            // The configured key was retired long ago, and those after it were sealed under one that is not there.
            let generated = self.signing.configured.generate(now, now)?;
            self.follow(&transaction, &rows, &generated).await?;
        }
        self.commit(transaction, Vec::new()).await?;
        self.look_at_signing_keys().await
    }

    /// A configured key that was never seen is the next one; at the very first start, the first one.
    async fn add_configured(
        &self,
        transaction: &DatabaseTransaction,
        rows: &[SigningKeyRow],
        now: Timestamp,
    ) -> Result<(), SigningKeysError> {
        let ConfiguredKeys { current, previous, .. } = &self.signing.configured;
        let is_known = |key_id: &str| rows.iter().any(|row| row.public.key_id == key_id);
        if is_known(&current.public.key_id) {
            return Ok(());
        }
        let mut before = rows.to_vec();
        if let Some(previous) = previous.as_ref().filter(|previous| !is_known(&previous.public.key_id)) {
            let row = SigningKeyRow::configured(previous, Timestamp::EPOCH, now);
            store::signing_key::insert(transaction, &row).await?;
            before.push(row);
        }
        let ring = KeyRing::assemble(&before, &self.signing.configured, &self.signing.issuer, now)?;
        // Tokens must not be signed with a key that nobody has been told of, unless there is no other.
        let used_from =
            if rows.is_empty() || ring.signer(now).is_none() { now } else { now.plus(PUBLISHED_BEFORE_USE) };
        let row = SigningKeyRow::configured(current, used_from, now);
        self.follow(transaction, &before, &row).await
    }

    /// Makes the next key and publishes it; it signs a little later.
    pub async fn rotate_signing_keys(&self, initiator: &Initiator) -> Result<SigningKeyRow, SigningKeysError> {
        let now = self.now();
        let transaction = self.database.begin().await?;
        store::signing_key::hold(&transaction).await?;
        let rows = store::signing_key::list(&transaction).await?;
        if let Some(waiting) = rows.iter().find(|row| row.used_from > now) {
            return Err(SigningKeysError::UnderWay(waiting.used_from));
        }
        let next = self.signing.configured.generate(now.plus(PUBLISHED_BEFORE_USE), now)?;
        self.follow(&transaction, &rows, &next).await?;
        let after = json!({ "used_from": next.used_from });
        let resource = ("signing_key", next.public.key_id.clone());
        let entry = audited::change(initiator, "signing_key.rotate", resource, (None, Some(after)), now);
        self.commit(transaction, vec![entry]).await?;
        self.look_at_signing_keys().await?;
        Ok(next)
    }

    async fn follow(
        &self,
        transaction: &DatabaseTransaction,
        before: &[SigningKeyRow],
        next: &SigningKeyRow,
    ) -> Result<(), SigningKeysError> {
        let longest = self.settings.tokens.longest.get();
        for row in before.iter().filter(|row| row.kept_until.is_none()) {
            if let Some(until) = row.clone().followed(next.used_from, longest).kept_until {
                store::signing_key::set_kept_until(transaction, &row.public.key_id, until).await?;
            }
        }
        Ok(store::signing_key::insert(transaction, next).await?)
    }

    /// Takes over what is in the database now.
    pub async fn look_at_signing_keys(&self) -> Result<(), SigningKeysError> {
        let rows = store::signing_key::list(self.database.reader()).await?;
        let now = self.now();
        let ring = KeyRing::assemble(&rows, &self.signing.configured, &self.signing.issuer, now)?;
        self.signing.ring.store(Arc::new(ring));
        self.signing.looked_at.store(now.unix_ms(), Ordering::Relaxed);
        Ok(())
    }

    /// Looks, and rotates when the key that signs is old enough.
    async fn tend_signing_keys(&self) -> Result<(), SigningKeysError> {
        self.look_at_signing_keys().await?;
        let now = self.now();
        let rows = store::signing_key::list(self.database.reader()).await?;
        let newest = rows.iter().map(|row| row.used_from).max().unwrap_or(now);
        if now.since(newest) >= self.settings.tokens.rotate_every.get() {
            match self.rotate_signing_keys(&Initiator::system()).await {
                // Another replica was first.
                Ok(_) | Err(SigningKeysError::UnderWay(_)) => {}
                Err(error) => return Err(error),
            }
        }
        store::signing_key::delete_over(self.database.writer(), now).await?;
        store::revoked_token::delete_expired(self.database.writer(), now).await?;
        Ok(())
    }
}

/// Runs until the soft stop. A database that is away leaves the keys as they are.
pub async fn keep(core: Arc<Core>, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        if let Err(error) = core.tend_signing_keys().await {
            tracing::warn!(error = %error, "signing keys could not be looked at");
        }
        core.metrics.signing_keys_age.set(core.signing.age_seconds(core.now()));
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}
