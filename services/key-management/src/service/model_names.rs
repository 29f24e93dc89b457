//! From the model names that people write to the public names that keys hold.

use maas_types::input::InputFault;
use std::collections::BTreeSet;

use super::{directory::ModelDirectory, error::KeyError};
use crate::domain::key::AllowedModels;

const MAX_MODELS: usize = 500;

/// Resolves a list of names and aliases. `kept` are names that the key holds already: they may stay when their model
/// is disabled or gone meanwhile, since it may come back.
pub fn resolve_models(
    directory: &ModelDirectory,
    names: &[String],
    kept: Option<&AllowedModels>,
    faults: &mut Vec<InputFault>,
) -> Result<Option<AllowedModels>, KeyError> {
    if names.is_empty() {
        let detail = "name at least one model, or leave the field out for all that the owner may use";
        faults.push(InputFault::new("/models", "empty", detail));
        return Ok(None);
    }
    if names.len() > MAX_MODELS {
        faults.push(InputFault::new("/models", "too_many", format!("at most {MAX_MODELS} models")));
        return Ok(None);
    }
    if !directory.is_caught_up() {
        return Err(KeyError::NotCaughtUp("models"));
    }
    let mut resolved = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        if is_listed(kept, name) {
            resolved.insert(name.clone());
        } else if let Some(public_name) = directory.public_name(name) {
            resolved.insert(public_name);
        } else {
            faults.push(InputFault::new(format!("/models/{index}"), "unknown_model", "there is no such model"));
        }
    }
    Ok(Some(AllowedModels::Listed(resolved)))
}

fn is_listed(models: Option<&AllowedModels>, name: &str) -> bool {
    matches!(models, Some(AllowedModels::Listed(listed)) if listed.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_be_judged_before_the_models_are_known() {
        let mut faults = Vec::new();
        let result = resolve_models(&ModelDirectory::default(), &["any".to_owned()], None, &mut faults);
        assert!(matches!(result, Err(KeyError::NotCaughtUp("models"))));
        assert!(faults.is_empty());
    }

    #[test]
    fn an_empty_list_never_means_all() {
        let mut faults = Vec::new();
        let result = resolve_models(&ModelDirectory::default(), &[], None, &mut faults);
        assert!(matches!(result, Ok(None)));
        assert_eq!((faults[0].pointer.as_str(), faults[0].code), ("/models", "empty"));
    }
}
