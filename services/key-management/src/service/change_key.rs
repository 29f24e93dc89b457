//! Changing a key that exists: read, apply the rule, compare and set, all in one transaction.

use maas_store::StoreError;
use maas_types::{KeyId, Timestamp};
use maas_web::AccessScope;

use super::{Change, KeyService, error::KeyError};
use crate::{
    domain::{
        actor::Actor,
        key::{Key, StatusChange},
    },
    store,
};

/// How often a change is tried again after somebody else's came first.
const ATTEMPTS: usize = 8;

/// Which key, who may see it, and which version the client saw.
#[derive(Debug, Clone, Copy)]
pub struct ChangeTarget {
    pub id: KeyId,
    pub scope: AccessScope,
    pub seen_version: Option<u64>,
}

impl KeyService {
    /// Blocks, unblocks or revokes. When it returns, the change is durable.
    pub async fn change_status(
        &self,
        id: KeyId,
        change: &StatusChange,
        scope: AccessScope,
        actor: &Actor,
    ) -> Result<Key, KeyError> {
        let (operation, action) = match change {
            StatusChange::Block => ("block", "key.block"),
            StatusChange::Unblock => ("unblock", "key.unblock"),
            StatusChange::Revoke { .. } => ("revoke", "key.revoke"),
        };
        let target = ChangeTarget { id, scope, seen_version: None };
        let result = self.change_key(target, action, actor, |key, now| Ok(key.moved(change, now)?)).await;
        self.metrics.count(operation, &result);
        result
    }

    /// Applies `rule` to the stored key; `None` from it means that nothing is to be changed.
    pub(super) async fn change_key(
        &self,
        target: ChangeTarget,
        action: &'static str,
        actor: &Actor,
        rule: impl Fn(&Key, Timestamp) -> Result<Option<Key>, KeyError>,
    ) -> Result<Key, KeyError> {
        for _ in 0..ATTEMPTS {
            match self.try_change_key(target, action, actor, &rule).await {
                Ok(Some(key)) => return Ok(key),
                Ok(None) | Err(KeyError::Store(StoreError::Conflict(_))) => {}
                Err(error) => return Err(error),
            }
        }
        Err(KeyError::Contended)
    }

    /// `None`: another change committed between our reading and our writing.
    async fn try_change_key(
        &self,
        target: ChangeTarget,
        action: &'static str,
        actor: &Actor,
        rule: &impl Fn(&Key, Timestamp) -> Result<Option<Key>, KeyError>,
    ) -> Result<Option<Key>, KeyError> {
        let transaction = self.database.begin().await?;
        let found = store::key::find(&transaction, target.id).await?;
        let before = found.filter(|key| target.scope.covers(key.owner_id)).ok_or(KeyError::NotFound)?;
        if target.seen_version.is_some_and(|seen| seen != before.version) {
            return Err(KeyError::VersionMismatch);
        }
        let now = self.clock.now();
        let Some(after) = rule(&before, now)? else { return Ok(Some(before)) };
        if !store::key::replace(&transaction, &before, &after).await? {
            return Ok(None);
        }
        let change = Change { action, actor, before: Some(&before), after: &after };
        change.append_to_outbox(&transaction, now).await?;
        transaction.commit().await.map_err(StoreError::from)?;
        self.signal.wake();
        Ok(Some(after))
    }
}
