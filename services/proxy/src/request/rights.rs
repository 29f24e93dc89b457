//! Whether this caller may call this model.

use std::sync::Arc;

use arc_swap::Guard;
use maas_events::{Bucket, state::SubscriptionStatus};
use maas_llm::error::ApiErrorCode;
use maas_types::TeamId;

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
    if let Err(missing) = check_access(shared, caller, model) {
        shared.metrics.auth_refused(AuthReason::ModelNotAllowed);
        return Err(match missing {
            // Whoever holds the key may know of the model; others of the plan need not.
            Missing::Model | Missing::Plan => not_found(name),
            Missing::Subscription(status) => refused(model, way_to_access(status)),
            Missing::Listing => refused(model, "is not among those of this API key: add it to the key, or use another"),
        });
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

/// Why a model cannot be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// It is switched off.
    Model,
    /// The person's plan does not open it: for them it does not exist.
    Plan,
    /// It is restricted, and this is what the person's own subscription came to.
    Subscription(Option<SubscriptionStatus>),
    /// The key names other models.
    Listing,
}

/// May call = enabled ∧ opened by the plan ∧ (not restricted ∨ an active subscription of the person or of the key's team)
/// ∧ in the key's list if it names any. A key whose owner left its team is refused before, so that its team counts here.
/// Computed for each request, from what is known here.
fn check_access(shared: &Shared, caller: &Caller, model: &ModelEntry) -> Result<(), Missing> {
    if !model.enabled {
        return Err(Missing::Model);
    }
    if !shared.state.plans().opens(&caller.user.groups, &model.name) {
        return Err(Missing::Plan);
    }
    if model.restricted && !is_subscribed(shared, caller, model) {
        return Err(Missing::Subscription(own_status(shared, caller, model)));
    }
    if caller.lists(&model.name) { Ok(()) } else { Err(Missing::Listing) }
}

pub fn may_call(shared: &Shared, caller: &Caller, model: &ModelEntry) -> bool {
    check_access(shared, caller, model).is_ok()
}

fn is_subscribed(shared: &Shared, caller: &Caller, model: &ModelEntry) -> bool {
    let now = shared.clock.now();
    let subscribers = [Some(caller.user.id.uuid()), caller.team().map(TeamId::uuid)];
    let mut subscriptions = subscribers
        .into_iter()
        .flatten()
        .filter_map(|subscriber| shared.state.subscriptions.get(&(subscriber, model.id)));
    subscriptions.any(|subscription| subscription.is_active(now))
}

fn own_status(shared: &Shared, caller: &Caller, model: &ModelEntry) -> Option<SubscriptionStatus> {
    shared.state.subscriptions.get(&(caller.user.id.uuid(), model.id))?.status_at(shared.clock.now())
}

/// What the person can do about it.
fn way_to_access(status: Option<SubscriptionStatus>) -> &'static str {
    match status {
        Some(SubscriptionStatus::Pending) => "is restricted, and your request for access has not been decided yet",
        Some(SubscriptionStatus::Denied) => {
            "is restricted, and your request for access was denied: the portal says why, and takes a request for review"
        }
        Some(SubscriptionStatus::Suspended) => "is restricted, and your access is suspended: the portal says why",
        Some(SubscriptionStatus::Expired) => {
            "is restricted, and your access has expired: request it again in the portal"
        }
        _ => "is restricted: request access to it in the portal",
    }
}

fn refused(model: &ModelEntry, why: &str) -> Refusal {
    Refusal::with_message(ApiErrorCode::ModelNotAllowed, format!("The model `{}` {why}.", model.name))
}

fn not_found(name: &str) -> Refusal {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(256).collect();
    Refusal::with_message(
        ApiErrorCode::ModelNotFound,
        format!("The model `{shown}` does not exist or you cannot use it."),
    )
}
