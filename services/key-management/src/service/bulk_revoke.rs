//! Revoking many keys at once: after an incident, or when somebody or something leaves.
//!
//! Guarantee: each batch commits as a whole, with the state values and audit records of its keys, and stays revoked
//! whatever happens to later ones. What could not be revoked is named; the same call again goes on with the rest.

use maas_events::audit_entry::Actor;
use maas_revocation::{
    Mark,
    owner::{self, Confirmation},
};
use maas_store::StoreError;
use maas_types::{KeyId, UserId};
use uuid::Uuid;

use super::{Change, KeyService, error::KeyError};
use crate::{
    domain::key::{Key, StatusChange},
    store::{self, KeyFilter, KeyOrder},
};

/// Keys of one call; the answer says whether there are more.
const MOST_KEYS: u32 = 1_000;
/// Keys of one transaction.
const BATCH: usize = 100;
/// How often a batch is tried again after somebody changed one of its keys meanwhile.
const ATTEMPTS: usize = 4;

#[derive(Debug, Clone)]
pub struct BulkRevokeInput {
    /// What the caller reaches, narrowed by what they asked for.
    pub filter: KeyFilter,
    pub reason: String,
    /// Only tells what would be revoked.
    pub dry_run: bool,
}

#[derive(Debug)]
pub struct BulkRevoked {
    pub items: Vec<BulkRevokedKey>,
    /// There are more than one call takes.
    pub has_more: bool,
    /// `None`: nothing was revoked.
    pub confirmation: Option<Confirmation>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkRevokedKey {
    pub id: KeyId,
    pub name: String,
    pub owner_id: UserId,
    pub outcome: BulkOutcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkOutcome {
    /// A dry run: it would be revoked.
    Matched,
    Revoked,
    /// Nothing is known of why it did not work; the key was left as it is.
    Failed,
}

impl KeyService {
    pub async fn bulk_revoke(&self, input: BulkRevokeInput, actor: &Actor) -> Result<BulkRevoked, KeyError> {
        let result = self.try_bulk_revoke(input, actor).await;
        self.metrics.count("bulk_revoke", &result);
        result
    }

    async fn try_bulk_revoke(&self, input: BulkRevokeInput, actor: &Actor) -> Result<BulkRevoked, KeyError> {
        let (reader, now) = (self.database.reader(), self.clock.now());
        let filter = KeyFilter { unless_revoked: true, ..input.filter };
        let (keys, next) = store::key_page::list(reader, &filter, KeyOrder::NEWEST_FIRST, None, MOST_KEYS, now).await?;
        let mut items: Vec<BulkRevokedKey> = keys.iter().map(matched).collect();
        if input.dry_run {
            return Ok(BulkRevoked { items, has_more: next.is_some(), confirmation: None });
        }
        let change = StatusChange::Revoke { reason: Some(input.reason) };
        let mut last_mark = None;
        for items in items.chunks_mut(BATCH) {
            let revoked = self.revoke_batch(items, &filter, &change, actor).await;
            let failed = revoked.inspect_err(|error| {
                tracing::error!(error = %error, keys.count = items.len(), "keys of a bulk revocation were not revoked");
            });
            let outcome = if failed.is_ok() { BulkOutcome::Revoked } else { BulkOutcome::Failed };
            items.iter_mut().for_each(|item| item.outcome = outcome);
            last_mark = failed.ok().flatten().or(last_mark);
        }
        let confirmation = match last_mark {
            // Counters only grow: who has taken over the last one has taken over all.
            Some(mark) => Some(self.confirmed(mark).await),
            None => None,
        };
        Ok(BulkRevoked { items, has_more: next.is_some(), confirmation })
    }

    async fn revoke_batch(
        &self,
        items: &[BulkRevokedKey],
        filter: &KeyFilter,
        change: &StatusChange,
        actor: &Actor,
    ) -> Result<Option<Mark>, KeyError> {
        let ids: Vec<KeyId> = items.iter().map(|item| item.id).collect();
        for _ in 0..ATTEMPTS {
            match self.try_revoke_batch(&ids, filter, change, actor).await {
                Ok(BatchEnd::Committed(mark)) => return Ok(mark),
                Ok(BatchEnd::Overtaken) | Err(KeyError::Store(StoreError::Conflict(_))) => {}
                Err(error) => return Err(error),
            }
        }
        Err(KeyError::Contended)
    }

    async fn try_revoke_batch(
        &self,
        ids: &[KeyId],
        filter: &KeyFilter,
        change: &StatusChange,
        actor: &Actor,
    ) -> Result<BatchEnd, KeyError> {
        let transaction = self.database.begin().await?;
        let now = self.clock.now();
        let mut found = store::key_page::find_many(&transaction, ids.iter().copied()).await?;
        // In one order for all that change keys at the same time, so that they cannot wait for each other.
        found.sort_by_key(|key| key.id);
        let mut revoked: Vec<Uuid> = Vec::new();
        for before in found.iter().filter(|key| filter.visible.oversees(key)) {
            let Some(after) = before.moved(change, now)? else { continue };
            if !store::key::replace(&transaction, before, &after).await? {
                return Ok(BatchEnd::Overtaken);
            }
            let change = Change { action: "key.revoke", actor, before: Some(before), after: &after };
            change.append_to_outbox(&transaction, now).await?;
            revoked.push(after.id.uuid());
        }
        let mark = match revoked.is_empty() {
            true => None,
            false => Some(owner::record(&transaction, &revoked, now).await?),
        };
        transaction.commit().await.map_err(StoreError::from)?;
        self.signal.wake();
        Ok(BatchEnd::Committed(mark))
    }
}

enum BatchEnd {
    /// `None`: all of them were revoked already.
    Committed(Option<Mark>),
    /// Somebody changed one of the keys between our reading and our writing.
    Overtaken,
}

fn matched(key: &Key) -> BulkRevokedKey {
    BulkRevokedKey { id: key.id, name: key.name.clone(), owner_id: key.owner_id, outcome: BulkOutcome::Matched }
}
