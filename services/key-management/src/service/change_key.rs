//! Changing a key that exists: read, apply the rule, compare and set, all in one transaction.

use std::time::Duration;

use maas_events::audit_entry::Actor;
use maas_revocation::{
    Mark,
    owner::{self, Confirmation},
};
use maas_store::StoreError;
use maas_types::{KeyId, Timestamp, UserId};
use sea_orm::DatabaseTransaction;

use super::{Change, KeyService, error::KeyError, replay::remember};
use crate::{
    domain::{
        key::{Key, StatusChange},
        owner::KeyScope,
    },
    store::{self, idempotency::IdempotencyHash},
};

/// How often a change is tried again after somebody else's came first.
const ATTEMPTS: usize = 8;
/// How long an answer waits for the proxies to confirm a revocation; the rest of them are named in it.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(2);

/// Which key, who asks, and which version the client saw.
#[derive(Debug, Clone, Copy)]
pub struct ChangeTarget<'a> {
    pub id: KeyId,
    pub scope: &'a KeyScope,
    pub right: ChangeRight,
    pub seen_version: Option<u64>,
    /// Noted with the change; a second request with it gets [`StoreError::Duplicate`].
    pub idempotency: Option<(UserId, IdempotencyHash)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeRight {
    /// Blocking and revoking: also for those who oversee the key.
    Stop,
    /// Everything else: only for those who manage it.
    Manage,
}

/// A key after a change, and up to where the proxies have to follow if the answer waits for them.
#[derive(Debug)]
pub struct Changed {
    pub key: Key,
    pub mark: Option<Mark>,
}

/// A key after something of it ended or was replaced.
#[derive(Debug)]
pub struct Stopped {
    pub key: Key,
    /// `None`: nothing changed that the proxies had to follow.
    pub confirmation: Option<Confirmation>,
}

impl KeyService {
    /// Blocks or revokes. When it returns, the change is durable and the proxies had their time to follow; so it is when
    /// the key was in that state already.
    pub async fn stop_key(
        &self,
        id: KeyId,
        change: &StatusChange,
        scope: &KeyScope,
        actor: &Actor,
    ) -> Result<Stopped, KeyError> {
        let changed = self.change_status(id, change, scope, actor).await?;
        let mark = match changed.mark {
            Some(mark) => mark,
            None => owner::latest(self.database.reader()).await?,
        };
        Ok(Stopped { key: changed.key, confirmation: Some(self.confirmed(mark).await) })
    }

    pub async fn unblock_key(&self, id: KeyId, scope: &KeyScope, actor: &Actor) -> Result<Key, KeyError> {
        Ok(self.change_status(id, &StatusChange::Unblock, scope, actor).await?.key)
    }

    /// What the proxies say within the time that an answer may take.
    pub(super) async fn confirmed(&self, mark: Mark) -> Confirmation {
        self.revocations.fleet().wait_for(mark, CONFIRMED_WITHIN).await
    }

    pub(super) async fn stopped(&self, changed: Changed) -> Stopped {
        let confirmation = match changed.mark {
            Some(mark) => Some(self.confirmed(mark).await),
            None => None,
        };
        Stopped { key: changed.key, confirmation }
    }

    async fn change_status(
        &self,
        id: KeyId,
        change: &StatusChange,
        scope: &KeyScope,
        actor: &Actor,
    ) -> Result<Changed, KeyError> {
        let (operation, action) = match change {
            StatusChange::Block => ("block", "key.block"),
            StatusChange::Unblock => ("unblock", "key.unblock"),
            StatusChange::Revoke { .. } => ("revoke", "key.revoke"),
        };
        let target = ChangeTarget::new(id, scope, ChangeRight::Stop);
        let result = self.change_key(target, action, actor, |key, now| Ok(key.moved(change, now)?)).await;
        self.metrics.count(operation, &result);
        result
    }

    /// Applies `rule` to the stored key; `None` from it means that nothing is to be changed.
    pub(super) async fn change_key(
        &self,
        target: ChangeTarget<'_>,
        action: &'static str,
        actor: &Actor,
        rule: impl Fn(&Key, Timestamp) -> Result<Option<Key>, KeyError>,
    ) -> Result<Changed, KeyError> {
        for _ in 0..ATTEMPTS {
            match self.try_change_key(target, action, actor, &rule).await {
                Ok(Some(changed)) => return Ok(changed),
                Ok(None) | Err(KeyError::Store(StoreError::Conflict(_))) => {}
                Err(error) => return Err(error),
            }
        }
        Err(KeyError::Contended)
    }

    /// `None`: another change committed between our reading and our writing.
    async fn try_change_key(
        &self,
        target: ChangeTarget<'_>,
        action: &'static str,
        actor: &Actor,
        rule: &impl Fn(&Key, Timestamp) -> Result<Option<Key>, KeyError>,
    ) -> Result<Option<Changed>, KeyError> {
        let transaction = self.database.begin().await?;
        let before = target.find(&transaction).await?;
        let now = self.clock.now();
        let Some(after) = rule(&before, now)? else { return Ok(Some(Changed { key: before, mark: None })) };
        if !store::key::replace(&transaction, &before, &after).await? {
            return Ok(None);
        }
        remember(&transaction, target.idempotency, after.id, now).await?;
        let change = Change { action, actor, before: Some(&before), after: &after };
        change.append_to_outbox(&transaction, now).await?;
        // Last: the counter's row stays locked until the commit.
        let mark = match after.waits_for_proxies(&before, now) {
            true => Some(owner::record(&transaction, &[after.id.uuid()], now).await?),
            false => None,
        };
        transaction.commit().await.map_err(StoreError::from)?;
        self.signal.wake();
        Ok(Some(Changed { key: after, mark }))
    }
}

impl<'a> ChangeTarget<'a> {
    pub fn new(id: KeyId, scope: &'a KeyScope, right: ChangeRight) -> Self {
        Self { id, scope, right, seen_version: None, idempotency: None }
    }

    async fn find(&self, transaction: &DatabaseTransaction) -> Result<Key, KeyError> {
        let found = store::key::find(transaction, self.id).await?;
        let key = found.filter(|key| self.scope.oversees(key)).ok_or(KeyError::NotFound)?;
        if self.right == ChangeRight::Manage && !self.scope.manages(key.owner_id) {
            return Err(KeyError::NotManaged);
        }
        if self.seen_version.is_some_and(|seen| seen != key.version) {
            return Err(KeyError::VersionMismatch);
        }
        Ok(key)
    }
}
