//! Requests that are sent again: what an Idempotency-Key was used for.

use std::time::Duration;

use maas_store::StoreError;
use maas_types::{KeyId, Timestamp, UserId};
use sea_orm::ConnectionTrait;

use super::{KeyService, error::KeyError};
use crate::store::{self, idempotency::IdempotencyHash};

/// How long a replayed request is recognised.
const IDEMPOTENCY_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

impl KeyService {
    /// The key that an earlier request with this Idempotency-Key was about.
    pub(super) async fn find_replayed(
        &self,
        idempotency: Option<(UserId, IdempotencyHash)>,
        now: Timestamp,
    ) -> Result<Option<KeyId>, KeyError> {
        let Some((caller, hash)) = idempotency else { return Ok(None) };
        let since = now.minus(IDEMPOTENCY_WINDOW);
        Ok(store::idempotency::find(self.database.reader(), caller, &hash, since).await?)
    }
}

/// Notes which key a request with this Idempotency-Key is about, and forgets what is too old.
pub(super) async fn remember(
    transaction: &impl ConnectionTrait,
    idempotency: Option<(UserId, IdempotencyHash)>,
    key: KeyId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some((caller, hash)) = idempotency else { return Ok(()) };
    store::idempotency::delete_before(transaction, now.minus(IDEMPOTENCY_WINDOW)).await?;
    store::idempotency::insert(transaction, caller, &hash, key, now).await
}
