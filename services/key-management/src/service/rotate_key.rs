//! A new secret for a key that exists. The secret before works for a while, so that nobody has to change all places where
//! it is used in one moment.

use std::time::Duration;

use maas_events::audit_entry::Actor;
use maas_keys::PlainKey;
use maas_store::StoreError;
use maas_types::{KeyId, Timestamp, UserId, input::InputFault};

use super::{
    KeyService,
    change_key::{ChangeRight, ChangeTarget, Changed, Stopped},
    error::KeyError,
};
use crate::{
    domain::{key::Key, owner::KeyScope, status::RefusedMove},
    store::idempotency::IdempotencyHash,
};

/// How long the secret before works when nobody says.
const DEFAULT_OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Clone, Copy)]
pub struct RotateKeyInput {
    /// Zero: the secret before ends at once. `None` for the default.
    pub overlap: Option<Duration>,
    pub idempotency: Option<IdempotencyHash>,
}

/// How a rotation ends before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationEnd {
    /// The new secret stays.
    Finish,
    /// The secret before stays.
    Cancel,
}

impl KeyService {
    /// The key with its new secret, once that is durable and the proxies had their time to learn it: whoever has the
    /// answer may use it at once.
    pub async fn rotate_key(
        &self,
        target: ChangeTarget<'_>,
        input: RotateKeyInput,
        caller: UserId,
        actor: &Actor,
    ) -> Result<(Stopped, PlainKey), KeyError> {
        let result = self.try_rotate_key(target, input, caller, actor).await;
        self.metrics.count("rotate", &result);
        let (changed, plain) = result?;
        Ok((self.stopped(changed).await, plain))
    }

    /// Ends one of the two secrets of a rotation that is under way.
    pub async fn end_rotation(
        &self,
        id: KeyId,
        end: RotationEnd,
        scope: &KeyScope,
        actor: &Actor,
    ) -> Result<Stopped, KeyError> {
        type Rule = fn(&Key, Timestamp) -> Result<Key, RefusedMove>;
        let (operation, action, rule): (_, _, Rule) = match end {
            RotationEnd::Finish => ("finish_rotation", "key.rotation.finish", Key::rotation_finished),
            RotationEnd::Cancel => ("cancel_rotation", "key.rotation.cancel", Key::rotation_cancelled),
        };
        let target = ChangeTarget::new(id, scope, ChangeRight::Manage);
        let result = self.change_key(target, action, actor, |key, now| Ok(Some(rule(key, now)?))).await;
        self.metrics.count(operation, &result);
        Ok(self.stopped(result?).await)
    }

    async fn try_rotate_key(
        &self,
        target: ChangeTarget<'_>,
        input: RotateKeyInput,
        caller: UserId,
        actor: &Actor,
    ) -> Result<(Changed, PlainKey), KeyError> {
        let overlap = self.checked_overlap(input.overlap)?;
        let idempotency = input.idempotency.map(|hash| (caller, hash));
        if let Some(first) = self.find_replayed(idempotency, self.clock.now()).await? {
            return Err(KeyError::Replayed(first));
        }
        // The public id does not change, so that it can be read before the transaction.
        let public_id = self.get_key(target.id, target.scope).await?.public_id;
        let plain = PlainKey::generate_for(public_id)?;
        let secret = self.stored_secret(&plain)?;
        let rule = |key: &Key, now| Ok(Some(key.rotated(secret, overlap, now)?));
        match self.change_key(ChangeTarget { idempotency, ..target }, "key.rotate", actor, rule).await {
            // A request with the same Idempotency-Key committed in between.
            Err(KeyError::Store(StoreError::Duplicate(cause))) => {
                let first = self.find_replayed(idempotency, self.clock.now()).await?;
                Err(first.map_or_else(|| StoreError::Duplicate(cause).into(), KeyError::Replayed))
            }
            changed => Ok((changed?, plain)),
        }
    }

    fn checked_overlap(&self, asked: Option<Duration>) -> Result<Duration, KeyError> {
        let overlap = asked.unwrap_or_else(|| DEFAULT_OVERLAP.min(self.max_rotation_overlap));
        if overlap <= self.max_rotation_overlap {
            return Ok(overlap);
        }
        let hours = self.max_rotation_overlap.as_secs() / 3_600;
        Err(KeyError::Invalid(vec![InputFault::new("/overlap", "too_long", format!("at most {hours} hours"))]))
    }
}
