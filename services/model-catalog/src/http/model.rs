//! A model on the wire.

use maas_events::state::SubscriptionStatus;
use maas_types::{ModelId, SourceId, TeamId, Timestamp};
use maas_web::AccessScope;
use serde::Serialize;
use utoipa::ToSchema;

use super::price::CatalogPrice;
use crate::{
    domain::{
        model::{Model, ModelKind, ModelLifecycle, ModelStatus},
        price::in_force,
        routing::{ModelAffinity, ModelRouting},
    },
    events::WholeModel,
    service::access::CallerAccess,
};

#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogModel {
    pub id: ModelId,
    /// What clients send as `model`.
    #[schema(example = "meta/llama-3.1-8b")]
    pub name: String,
    #[schema(example = "Llama 3.1 8B Instruct")]
    pub display_name: String,
    pub description: String,
    pub aliases: Vec<String>,
    #[schema(example = "vllm")]
    pub provider: String,
    #[schema(example = "llama")]
    pub family: String,
    pub category: String,
    pub kind: ModelKind,
    pub capabilities: Vec<String>,
    /// Tokens; null when not known.
    #[schema(example = 131072)]
    pub context_length: Option<u32>,
    /// Tokens; null when not known.
    pub max_output_tokens: Option<u32>,
    #[schema(example = "meta")]
    pub owner: String,
    pub licence: String,
    pub tags: Vec<String>,
    pub lifecycle: ModelLifecycle,
    pub enabled: bool,
    pub restricted: bool,
    /// False when its source does not list it any more.
    pub available: bool,
    pub status: ModelStatus,
    pub access: ModelAccess,
    /// The price in force; null when the model has none and costs nothing.
    pub price: Option<CatalogPrice>,
    /// Where the model came from; only for administrators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<CatalogModelSource>,
    /// How one of several upstreams with the same priority is chosen; this and the next three only for administrators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routing: Option<ModelRouting>,
    /// What keeps requests on one upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<ModelAffinity>,
    /// Public names of the models that serve instead, in this order, when no upstream of this one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["meta/llama-3.1-70b"]))]
    pub fallbacks: Option<Vec<String>>,
    /// The same for requests that are too long for this model.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["meta/llama-3.1-8b-128k"]))]
    pub context_fallbacks: Option<Vec<String>>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Whether the caller may call the model.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelAccess {
    pub callable: bool,
    /// Why not. disabled, unavailable, no_upstream: nobody can. not_in_plan: the caller's plan does not open it.
    /// restricted: access can be requested. pending, denied, suspended: what the caller's request has come to. Null when
    /// it can be called.
    #[schema(example = "restricted")]
    pub reason: Option<&'static str>,
    /// A restricted model can be called only with keys of these teams of the caller; left out when that is not so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only_with_keys_of: Vec<TeamId>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogModelSource {
    pub id: SourceId,
    /// What the source calls the model.
    pub key: String,
}

impl CatalogModel {
    /// As the caller may see it. `scope` is that of the permission to read models.
    pub fn to_api(whole: &WholeModel, caller: &CallerAccess, scope: AccessScope, now: Timestamp) -> Self {
        let WholeModel { model, prices, .. } = whole;
        let status = whole.status();
        let known = |tokens: u32| (tokens > 0).then_some(tokens);
        // Fallbacks may name models that others do not know of.
        let administered = Some(model).filter(|_| scope == AccessScope::All);
        Self {
            id: model.id,
            name: model.name.clone(),
            display_name: model.display_name.clone(),
            description: model.description.clone(),
            aliases: model.aliases.clone(),
            provider: model.provider.clone(),
            family: model.family.clone(),
            category: model.category.clone(),
            kind: model.kind,
            capabilities: model.capabilities.clone(),
            context_length: known(model.context_length),
            max_output_tokens: known(model.max_output_tokens),
            owner: model.owner.clone(),
            licence: model.licence.clone(),
            tags: model.tags.clone(),
            lifecycle: model.lifecycle,
            enabled: model.enabled,
            restricted: model.restricted,
            available: model.available,
            status,
            access: access(model, status, caller, now),
            price: in_force(prices, now).map(CatalogPrice::to_api),
            source: administered.and_then(CatalogModelSource::to_api),
            routing: administered.map(|model| model.routing),
            affinity: administered.map(|model| model.affinity),
            fallbacks: administered.map(|model| model.fallbacks.clone()),
            context_fallbacks: administered.map(|model| model.context_fallbacks.clone()),
            created_at: model.created_at,
            updated_at: model.updated_at,
        }
    }
}

impl CatalogModelSource {
    fn to_api(model: &Model) -> Option<Self> {
        let source = model.source.as_ref()?;
        Some(Self { id: source.id, key: source.key.clone() })
    }
}

/// The same rule as the proxies', but for the lists of keys.
fn access(model: &Model, status: ModelStatus, caller: &CallerAccess, now: Timestamp) -> ModelAccess {
    let refused = |reason| ModelAccess { callable: false, reason: Some(reason), only_with_keys_of: Vec::new() };
    match status {
        ModelStatus::Disabled => return refused("disabled"),
        ModelStatus::Unavailable => return refused("unavailable"),
        _ if !caller.opens(&model.name) => return refused("not_in_plan"),
        _ => {}
    }
    let own = caller.own_status(model.id, now);
    let is_open = !model.restricted || own == Some(SubscriptionStatus::Active);
    let only_with_keys_of = if is_open { Vec::new() } else { caller.subscribed_teams(model.id, now) };
    if !is_open && only_with_keys_of.is_empty() {
        return refused(missing_subscription(own));
    }
    if status == ModelStatus::Degraded {
        return refused("no_upstream");
    }
    ModelAccess { callable: true, reason: None, only_with_keys_of }
}

fn missing_subscription(own: Option<SubscriptionStatus>) -> &'static str {
    match own {
        Some(SubscriptionStatus::Pending) => "pending",
        Some(SubscriptionStatus::Denied) => "denied",
        Some(SubscriptionStatus::Suspended) => "suspended",
        _ => "restricted",
    }
}
