//! Editing what people may edit of a key.

use maas_events::audit_entry::Actor;
use maas_types::{
    KeyId, TeamId, Timestamp,
    input::{InputFault, MAX_DESCRIPTION, check_name, check_text},
};

use super::{
    KeyService,
    change_key::{ChangeRight, ChangeTarget},
    error::KeyError,
    model_names::resolve_models,
};
use crate::domain::{
    expiry::{ExpiryRequest, resolve_ephemeral},
    key::{AllowedModels, Key, KeyEdit},
    labels::{Labels, check_labels},
    owner::KeyScope,
    restrictions::{parse_networks, parse_operations},
};

/// `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct UpdateKeyInput {
    pub name: Option<String>,
    pub description: Option<String>,
    /// `Some(None)`: all models that the owner may use.
    pub models: Option<Option<Vec<String>>>,
    pub labels: Option<Labels>,
    /// `Some(None)`: from everywhere.
    pub allowed_cidrs: Option<Option<Vec<String>>>,
    /// `Some(None)`: for everything.
    pub allowed_operations: Option<Option<Vec<String>>>,
    /// `Some(None)`: of no team.
    pub team_id: Option<Option<TeamId>>,
    pub expiry: Option<ExpiryRequest>,
}

impl UpdateKeyInput {
    fn check(&self, faults: &mut Vec<InputFault>) {
        if let Some(name) = &self.name {
            check_name("/name", name, faults);
        }
        if let Some(description) = &self.description {
            check_text("/description", description, MAX_DESCRIPTION, faults);
        }
        if let Some(labels) = &self.labels {
            check_labels(labels, faults);
        }
    }
}

impl KeyService {
    pub async fn update_key(
        &self,
        id: KeyId,
        input: &UpdateKeyInput,
        seen_version: Option<u64>,
        scope: &KeyScope,
        actor: &Actor,
    ) -> Result<Key, KeyError> {
        let target = ChangeTarget { seen_version, ..ChangeTarget::new(id, scope, ChangeRight::Manage) };
        let edit = |key: &Key, now| Ok(key.edited(self.edit_of(input, key, now)?, now)?);
        let result = self.change_key(target, "key.update", actor, edit).await;
        self.metrics.count("update", &result);
        Ok(result?.key)
    }

    fn edit_of(&self, input: &UpdateKeyInput, key: &Key, now: Timestamp) -> Result<KeyEdit, KeyError> {
        let mut faults = Vec::new();
        input.check(&mut faults);
        let models = match &input.models {
            None => None,
            Some(None) => Some(AllowedModels::All),
            Some(Some(names)) => resolve_models(&self.models, names, Some(&key.models), &mut faults)?,
        };
        // A team that the key has already may stay: the owner's part in it may come back.
        if let Some(Some(team)) = input.team_id.filter(|team| *team != key.team_id) {
            self.check_team(key.owner_id, team, &mut faults)?;
        }
        let expires_at = input
            .expiry
            .and_then(|request| self.new_expiry(request, key, now).map_err(|fault| faults.push(fault)).ok());
        let networks = parsed(input.allowed_cidrs.as_ref(), |texts| parse_networks(texts, &mut faults));
        let operations = parsed(input.allowed_operations.as_ref(), |texts| parse_operations(texts, &mut faults));
        if !faults.is_empty() {
            return Err(KeyError::Invalid(faults));
        }
        Ok(KeyEdit {
            name: input.name.clone(),
            description: input.description.clone(),
            models,
            labels: input.labels.clone(),
            networks,
            operations,
            team_id: input.team_id,
            expires_at,
        })
    }

    fn new_expiry(&self, request: ExpiryRequest, key: &Key, now: Timestamp) -> Result<Option<Timestamp>, InputFault> {
        if key.ephemeral {
            return resolve_ephemeral(request, key.created_at, now).map(Some);
        }
        self.expiry.resolve(request, now)
    }
}

/// A list that was left out, taken away, or sent.
fn parsed<T>(sent: Option<&Option<Vec<String>>>, parse: impl FnOnce(&[String]) -> Option<T>) -> Option<Option<T>> {
    match sent? {
        None => Some(None),
        Some(texts) => parse(texts).map(Some),
    }
}
