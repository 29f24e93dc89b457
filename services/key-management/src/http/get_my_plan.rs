use std::collections::BTreeSet;

use actix_web::{get, web};
use maas_types::PlanId;
use maas_web::{Problem, Require, permission::ReadOwnProfile};
use serde::Serialize;
use utoipa::ToSchema;

use super::plan_view::models;
use crate::service::KeyService;

/// What somebody may know of their own plan: not which groups others are in it by.
#[derive(Debug, Serialize, ToSchema)]
pub struct MyPlan {
    id: PlanId,
    #[schema(example = "research")]
    name: String,
    #[schema(example = 10)]
    level: u32,
    /// Public names of the models that it opens; null for all.
    #[schema(example = json!(["meta/llama-3.3-70b", "bge-m3"]))]
    models: Option<BTreeSet<String>>,
    /// It applies since no other plan names one of the caller's groups.
    is_default: bool,
}

/// Shows the plan that applies to the caller: of those that name one of their groups the one with the highest level,
/// else the default plan. Groups are those of the last sign-in.
#[utoipa::path(
    operation_id = "getMyPlan",
    tag = "plans",
    responses((status = 200, description = "The plan", body = MyPlan))
)]
#[get("/api/v1/plans/mine")]
pub async fn get_my_plan(
    require: Require<ReadOwnProfile>,
    service: web::Data<KeyService>,
) -> Result<web::Json<MyPlan>, Problem> {
    let plan = service.plan_of(require.caller.user_id).await?;
    let models = models(&plan);
    let (id, level, is_default) = (plan.id, plan.level, plan.is_default);
    Ok(web::Json(MyPlan { id, name: plan.name, level, models, is_default }))
}
