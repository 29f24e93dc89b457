//! A new key. Its secret leaves here once, in the answer, and is written nowhere.

use maas_types::input::{InputFault, MAX_DESCRIPTION, check_name, check_text};
use std::time::Duration;

use maas_keys::{ParsedKey, PlainKey};
use maas_store::StoreError;
use maas_types::{KeyId, Timestamp, UserId};
use maas_web::AccessScope;

use super::{Change, KeyService, error::KeyError, model_names::resolve_models};
use crate::{
    domain::{
        actor::Actor,
        expiry::ExpiryRequest,
        key::{AllowedModels, Key},
        labels::{Labels, check_labels},
        status::StoredStatus,
    },
    store::{self, idempotency::IdempotencyHash},
};

/// How long a replayed create is recognised.
const IDEMPOTENCY_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Clone)]
pub struct CreateKeyInput {
    pub name: String,
    pub description: String,
    /// Names or aliases; `None` for all that the owner may use.
    pub models: Option<Vec<String>>,
    pub labels: Labels,
    pub expiry: ExpiryRequest,
    pub owner_id: UserId,
    pub idempotency: Option<IdempotencyHash>,
}

impl KeyService {
    /// `caller` makes the key; `scope` says whether it may be for somebody else.
    pub async fn create_key(
        &self,
        input: CreateKeyInput,
        caller: UserId,
        scope: AccessScope,
        actor: &Actor,
    ) -> Result<(Key, PlainKey), KeyError> {
        let result = self.try_create_key(input, caller, scope, actor).await;
        self.metrics.count("create", &result);
        result
    }

    async fn try_create_key(
        &self,
        input: CreateKeyInput,
        caller: UserId,
        scope: AccessScope,
        actor: &Actor,
    ) -> Result<(Key, PlainKey), KeyError> {
        if !scope.covers(input.owner_id) {
            return Err(KeyError::OwnerNotAllowed);
        }
        let now = self.clock.now();
        let idempotency = input.idempotency.map(|hash| (caller, hash));
        if let Some(first) = self.find_replayed(idempotency, now).await? {
            return Err(KeyError::Replayed(first));
        }
        let (key, plain) = self.new_key(input, caller, actor, now)?;
        match self.insert_key(&key, idempotency, actor, now).await {
            // A request with the same Idempotency-Key committed in between.
            Err(KeyError::Store(StoreError::Duplicate(cause))) => match self.find_replayed(idempotency, now).await? {
                Some(first) => Err(KeyError::Replayed(first)),
                None => Err(StoreError::Duplicate(cause).into()),
            },
            Err(error) => Err(error),
            Ok(()) => Ok((key, plain)),
        }
    }

    fn new_key(
        &self,
        input: CreateKeyInput,
        caller: UserId,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(Key, PlainKey), KeyError> {
        let mut faults = Vec::new();
        check_name("/name", &input.name, &mut faults);
        check_text("/description", &input.description, MAX_DESCRIPTION, &mut faults);
        check_labels(&input.labels, &mut faults);
        let expires_at = self.expiry.resolve(input.expiry, now).map_err(|fault| faults.push(fault)).ok().flatten();
        if input.owner_id != caller {
            self.check_owner(input.owner_id, &mut faults)?;
        }
        let models = match &input.models {
            None => Some(AllowedModels::All),
            Some(names) => resolve_models(&self.models, names, None, &mut faults)?,
        };
        let Some(models) = models.filter(|_| faults.is_empty()) else { return Err(KeyError::Invalid(faults)) };
        let plain = PlainKey::generate()?;
        let pepper = self.peppers.current();
        let key = Key {
            id: KeyId::new_at(now),
            version: 1,
            public_id: plain.public_id(),
            secret_mac: pepper.mac(&ParsedKey::parse(plain.expose().as_bytes())?),
            pepper_version: pepper.version(),
            name: input.name,
            description: input.description,
            owner_id: input.owner_id,
            team_id: None,
            models,
            labels: input.labels,
            status: StoredStatus::Active,
            expires_at,
            created_at: now,
            updated_at: now,
            created_by: actor.user_id(),
            revoked_at: None,
            revoke_reason: None,
        };
        Ok((key, plain))
    }

    async fn insert_key(
        &self,
        key: &Key,
        idempotency: Option<(UserId, IdempotencyHash)>,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(), KeyError> {
        let transaction = self.database.begin().await?;
        if let Some((caller, hash)) = idempotency {
            store::idempotency::delete_before(&transaction, now.minus(IDEMPOTENCY_WINDOW)).await?;
            store::idempotency::insert(&transaction, caller, &hash, key.id, now).await?;
        }
        store::key::insert(&transaction, key).await?;
        let change = Change { action: "key.create", actor, before: None, after: key };
        change.append_to_outbox(&transaction, now).await?;
        transaction.commit().await.map_err(StoreError::from)?;
        self.signal.wake();
        Ok(())
    }

    async fn find_replayed(
        &self,
        idempotency: Option<(UserId, IdempotencyHash)>,
        now: Timestamp,
    ) -> Result<Option<KeyId>, KeyError> {
        let Some((caller, hash)) = idempotency else { return Ok(None) };
        let since = now.minus(IDEMPOTENCY_WINDOW);
        Ok(store::idempotency::find(self.database.reader(), caller, &hash, since).await?)
    }

    fn check_owner(&self, owner: UserId, faults: &mut Vec<InputFault>) -> Result<(), KeyError> {
        if !self.users.is_caught_up() {
            return Err(KeyError::NotCaughtUp("users"));
        }
        if !self.users.is_active(owner) {
            faults.push(InputFault::new("/owner_id", "unknown_user", "there is no active user with this id"));
        }
        Ok(())
    }
}
