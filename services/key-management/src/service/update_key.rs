//! Editing what people may edit of a key.

use maas_types::KeyId;
use maas_types::input::{InputFault, MAX_DESCRIPTION, check_name, check_text};
use maas_web::AccessScope;

use super::{KeyService, change_key::ChangeTarget, error::KeyError, model_names::resolve_models};
use crate::domain::{
    actor::Actor,
    key::{AllowedModels, Key, KeyEdit},
    labels::{Labels, check_labels},
};

/// `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct UpdateKeyInput {
    pub name: Option<String>,
    pub description: Option<String>,
    /// `Some(None)`: all models that the owner may use.
    pub models: Option<Option<Vec<String>>>,
    pub labels: Option<Labels>,
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
        scope: AccessScope,
        actor: &Actor,
    ) -> Result<Key, KeyError> {
        let target = ChangeTarget { id, scope, seen_version };
        let edit = |key: &Key, now| Ok(key.edited(self.edit_of(input, key)?, now)?);
        let result = self.change_key(target, "key.update", actor, edit).await;
        self.metrics.count("update", &result);
        result
    }

    fn edit_of(&self, input: &UpdateKeyInput, key: &Key) -> Result<KeyEdit, KeyError> {
        let mut faults = Vec::new();
        input.check(&mut faults);
        let models = match &input.models {
            None => None,
            Some(None) => Some(AllowedModels::All),
            Some(Some(names)) => resolve_models(&self.models, names, Some(&key.models), &mut faults)?,
        };
        if !faults.is_empty() {
            return Err(KeyError::Invalid(faults));
        }
        Ok(KeyEdit {
            name: input.name.clone(),
            description: input.description.clone(),
            models,
            labels: input.labels.clone(),
        })
    }
}
