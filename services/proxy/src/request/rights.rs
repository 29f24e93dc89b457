//! Whether this caller may call this model.

use std::sync::Arc;

use arc_swap::Guard;
use maas_events::Bucket;
use maas_llm::error::ApiErrorCode;

use super::credential::Caller;
use crate::{
    metrics::AuthReason,
    refusal::Refusal,
    state::{ModelEntry, ModelTable},
    worker::Shared,
};

/// The model, and the revision of the catalogue that it was found in. With an `instance` the name is the server's own.
pub fn check(
    shared: &Shared,
    caller: &Caller,
    name: &str,
    instance: Option<&str>,
) -> Result<(Arc<ModelEntry>, u64), Refusal> {
    let models = known_models(shared)?;
    let model = match instance {
        None => models.get(name),
        Some(instance) if models.at(instance).is_none() => return Err(ApiErrorCode::UnknownUrl.into()),
        Some(instance) => models.get_at(instance, name),
    };
    let model = model.filter(|model| model.enabled).ok_or_else(|| not_found(name))?;
    if !may_call(caller, model) {
        shared.metrics.auth_refused(AuthReason::ModelNotAllowed);
        let message = if model.restricted {
            format!("The model `{}` is restricted: ask for access to it in the portal.", model.name)
        } else {
            format!("This API key is not for the model `{}`: add it to the key, or use another key.", model.name)
        };
        return Err(Refusal::with_message(ApiErrorCode::ModelNotAllowed, message));
    }
    Ok((model.clone(), models.revision))
}

/// The models, once they are all here: before that nothing can be said about one that is missing.
pub fn known_models(shared: &Shared) -> Result<Guard<Arc<ModelTable>>, Refusal> {
    if !shared.applier.has_caught_up(Bucket::Models) {
        return Err(ApiErrorCode::KeyStateUnavailable.into());
    }
    Ok(shared.state.models())
}

/// May call = enabled ∧ not restricted ∧ in the key's list if it names any. Subscriptions and plans join here.
pub fn may_call(caller: &Caller, model: &ModelEntry) -> bool {
    model.enabled && !model.restricted && caller.key.lists(&model.name)
}

fn not_found(name: &str) -> Refusal {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(256).collect();
    Refusal::with_message(
        ApiErrorCode::ModelNotFound,
        format!("The model `{shown}` does not exist or you cannot use it."),
    )
}
