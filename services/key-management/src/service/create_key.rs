//! A new key. Its secret leaves here once, in the answer, and is written nowhere.

use maas_events::audit_entry::Actor;
use maas_keys::{ParsedKey, PlainKey};
use maas_store::StoreError;
use maas_types::{
    KeyId, TeamId, Timestamp, UserId,
    input::{InputFault, MAX_DESCRIPTION, check_name, check_text},
};

use super::{Change, KeyService, error::KeyError, model_names::resolve_models, replay::remember};
use crate::{
    domain::{
        expiry::{ExpiryRequest, resolve_ephemeral},
        key::{AllowedModels, Key},
        labels::{Labels, check_labels},
        owner::KeyScope,
        restrictions::{parse_networks, parse_operations},
        secret::StoredSecret,
        status::StoredStatus,
    },
    store::{self, idempotency::IdempotencyHash},
};

#[derive(Debug, Clone)]
pub struct CreateKeyInput {
    pub name: String,
    pub description: String,
    /// Names or aliases; `None` for all that the owner may use.
    pub models: Option<Vec<String>>,
    pub labels: Labels,
    /// `None`: from everywhere.
    pub allowed_cidrs: Option<Vec<String>>,
    /// `None`: for everything.
    pub allowed_operations: Option<Vec<String>>,
    pub expiry: ExpiryRequest,
    pub ephemeral: bool,
    pub owner_id: UserId,
    pub team_id: Option<TeamId>,
    pub idempotency: Option<IdempotencyHash>,
}

impl KeyService {
    /// `caller` makes the key; `scope` says whether it may be for somebody else.
    pub async fn create_key(
        &self,
        input: CreateKeyInput,
        caller: UserId,
        scope: &KeyScope,
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
        scope: &KeyScope,
        actor: &Actor,
    ) -> Result<(Key, PlainKey), KeyError> {
        if !scope.manages(input.owner_id) {
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
        let expires_at = self.expiry_of(&input, now).map_err(|fault| faults.push(fault)).ok().flatten();
        let owner_kind = self.check_owner(&input, caller, &mut faults)?;
        let networks = input.allowed_cidrs.as_ref().and_then(|texts| parse_networks(texts, &mut faults));
        let operations = input.allowed_operations.as_ref().and_then(|texts| parse_operations(texts, &mut faults));
        let models = match &input.models {
            None => Some(AllowedModels::All),
            Some(names) => resolve_models(&self.models, names, None, &mut faults)?,
        };
        let Some(models) = models.filter(|_| faults.is_empty()) else { return Err(KeyError::Invalid(faults)) };
        let plain = PlainKey::generate()?;
        let key = Key {
            id: KeyId::new_at(now),
            version: 1,
            public_id: plain.public_id(),
            secret: self.stored_secret(&plain)?,
            previous: None,
            name: input.name,
            description: input.description,
            owner_id: input.owner_id,
            owner_kind,
            team_id: input.team_id,
            models,
            networks,
            operations,
            labels: input.labels,
            status: StoredStatus::Active,
            expires_at,
            ephemeral: input.ephemeral,
            created_at: now,
            updated_at: now,
            created_by: actor.user_id(),
            revoked_at: None,
            revoke_reason: None,
            last_use: None,
        };
        Ok((key, plain))
    }

    /// What is kept of a new secret.
    pub(super) fn stored_secret(&self, plain: &PlainKey) -> Result<StoredSecret, KeyError> {
        let pepper = self.peppers.current();
        let mac = pepper.mac(&ParsedKey::parse(plain.expose().as_bytes())?);
        Ok(StoredSecret { mac, pepper_version: pepper.version() })
    }

    fn expiry_of(&self, input: &CreateKeyInput, now: Timestamp) -> Result<Option<Timestamp>, InputFault> {
        if input.ephemeral {
            return resolve_ephemeral(input.expiry, now, now).map(Some);
        }
        self.expiry.resolve(input.expiry, now)
    }

    async fn insert_key(
        &self,
        key: &Key,
        idempotency: Option<(UserId, IdempotencyHash)>,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(), KeyError> {
        let transaction = self.database.begin().await?;
        remember(&transaction, idempotency, key.id, now).await?;
        store::key::insert(&transaction, key).await?;
        let change = Change { action: "key.create", actor, before: None, after: key };
        change.append_to_outbox(&transaction, now).await?;
        transaction.commit().await.map_err(StoreError::from)?;
        self.signal.wake();
        Ok(())
    }
}
