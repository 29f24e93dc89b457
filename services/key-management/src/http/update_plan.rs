use actix_web::{HttpResponse, patch, web};
use maas_types::PlanId;
use maas_web::{
    JsonBody, PathParam, Problem, Require, etag, etag::IfMatch, middleware::RequestContext, permission::ManagePlans,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{plan_view::PlanBody, present::present};
use crate::service::{KeyService, access::UpdatePlanInput};

/// What is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdatePlanRequest {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false, example = "research", min_length = 1, max_length = 255)]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = u32, required = false, example = 20, maximum = 1000000)]
    level: Option<u32>,
    /// Replaces all groups.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Vec<String>, required = false, example = json!(["research-staff"]), max_items = 500)]
    groups: Option<Vec<String>>,
    /// Replaces the whole list; null for all models. Never empty.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>, required = false, example = json!(["bge-m3"]), min_items = 1, max_items = 500)]
    models: Option<Option<Vec<String>>>,
    /// true: takes the place of the default plan. The default plan stays it until another becomes it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false, example = true)]
    is_default: Option<bool>,
}

/// Changes a plan. What people may call follows at once.
#[utoipa::path(
    operation_id = "updatePlan",
    tag = "plans",
    params(
        ("id" = PlanId, Path, description = "Id of the plan"),
        ("If-Match" = Option<String>, Header, description = "The ETag that the change is based on; 412 when it was changed since"),
    ),
    request_body = UpdatePlanRequest,
    responses(
        (status = 200, description = "The plan after the change", body = PlanBody,
            headers(("ETag" = String, description = "Version of the plan, for If-Match"))),
        (status = 404, description = "There is no such plan"),
        (status = 409, description = "Another plan has this name or level, or there would be no default plan"),
        (status = 412, description = "The plan was changed since it was read"),
    )
)]
#[patch("/api/v1/plans/{id}")]
pub async fn update_plan(
    require: Require<ManagePlans>,
    context: RequestContext,
    id: PathParam<PlanId>,
    if_match: IfMatch,
    body: JsonBody<UpdatePlanRequest>,
    service: web::Data<KeyService>,
) -> Result<HttpResponse, Problem> {
    let UpdatePlanRequest { name, level, groups, models, is_default } = body.0;
    let input = UpdatePlanInput { name, level, groups, models, is_default };
    let plan = service.update_plan(id.0, &input, if_match.0, &context.actor(&require.caller)).await?;
    Ok(HttpResponse::Ok().insert_header(etag::header(plan.version)).json(PlanBody::to_api(&plan)))
}
