//! A plan on the wire.

use std::collections::BTreeSet;

use maas_types::{PlanId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{key::AllowedModels, plan::Plan};

/// A tier: who is in it, and which models it opens.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Plan)]
pub struct PlanBody {
    pub id: PlanId,
    #[schema(example = "research")]
    pub name: String,
    /// Who is in several plans has the one with the highest level. No two plans have the same.
    #[schema(example = 10)]
    pub level: u32,
    /// Who is in one of these groups is in the plan.
    #[schema(example = json!(["research-staff"]))]
    pub groups: BTreeSet<String>,
    /// Public names of the models that it opens; null for all.
    #[schema(example = json!(["meta/llama-3.3-70b", "bge-m3"]))]
    pub models: Option<BTreeSet<String>>,
    /// The plan of those who are in none; there is exactly one.
    pub is_default: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl PlanBody {
    pub fn to_api(plan: &Plan) -> Self {
        Self {
            id: plan.id,
            name: plan.name.clone(),
            level: plan.level,
            groups: plan.groups.clone(),
            models: models(plan),
            is_default: plan.is_default,
            created_at: plan.created_at,
            updated_at: plan.updated_at,
        }
    }
}

/// `None` for all.
pub fn models(plan: &Plan) -> Option<BTreeSet<String>> {
    match &plan.models {
        AllowedModels::All => None,
        AllowedModels::Listed(models) => Some(models.clone()),
    }
}
