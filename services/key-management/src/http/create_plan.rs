use actix_web::{HttpResponse, post, web};
use maas_web::{JsonBody, Problem, Require, etag, middleware::RequestContext, permission::ManagePlans};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{idempotency::IdempotencyKey, plan_view::PlanBody};
use crate::service::{KeyService, access::CreatePlanInput};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePlanRequest {
    /// 1 to 255 characters.
    #[schema(example = "research", min_length = 1, max_length = 255)]
    name: String,
    /// Who is in several plans has the one with the highest level.
    #[schema(example = 10, maximum = 1000000)]
    level: u32,
    /// Who is in one of these groups is in the plan; up to 500.
    #[serde(default)]
    #[schema(example = json!(["research-staff"]), max_items = 500)]
    groups: Vec<String>,
    /// Names or aliases of the models that it opens; left out or null for all. Never empty.
    #[serde(default)]
    #[schema(example = json!(["meta/llama-3.3-70b", "bge-m3"]), min_items = 1, max_items = 500)]
    models: Option<Vec<String>>,
    /// Takes the place of the default plan.
    #[serde(default)]
    #[schema(default = false)]
    is_default: bool,
}

/// Makes a plan.
#[utoipa::path(
    operation_id = "createPlan",
    tag = "plans",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "A repeated request with the same value within 24 hours answers 409 with the id of the plan")),
    request_body = CreatePlanRequest,
    responses(
        (status = 201, description = "The plan", body = PlanBody,
            headers(("Location" = String, description = "Path of the plan"),
                ("ETag" = String, description = "Version of the plan, for If-Match"))),
        (status = 409, description = "Another plan has this name or level, or the Idempotency-Key was used before"),
    )
)]
#[post("/api/v1/plans")]
pub async fn create_plan(
    require: Require<ManagePlans>,
    context: RequestContext,
    idempotency: IdempotencyKey,
    body: JsonBody<CreatePlanRequest>,
    service: web::Data<KeyService>,
) -> Result<HttpResponse, Problem> {
    let CreatePlanRequest { name, level, groups, models, is_default } = body.0;
    let input = CreatePlanInput { name, level, groups, models, is_default, idempotency: idempotency.0 };
    let caller = require.caller.user_id;
    let plan = service.create_plan(input, caller, &context.actor(&require.caller)).await?;
    Ok(HttpResponse::Created()
        .insert_header(("location", format!("/api/v1/plans/{}", plan.id)))
        .insert_header(etag::header(plan.version))
        .json(PlanBody::to_api(&plan)))
}
