use actix_web::{HttpResponse, get, web};
use maas_types::PlanId;
use maas_web::{PathParam, Problem, Require, etag, permission::ReadPlans};

use super::plan_view::PlanBody;
use crate::service::KeyService;

/// Shows one plan.
#[utoipa::path(
    operation_id = "getPlan",
    tag = "plans",
    params(("id" = PlanId, Path, description = "Id of the plan")),
    responses(
        (status = 200, description = "The plan", body = PlanBody,
            headers(("ETag" = String, description = "Version of the plan, for If-Match"))),
        (status = 404, description = "There is no such plan"),
    )
)]
#[get("/api/v1/plans/{id}")]
pub async fn get_plan(
    _require: Require<ReadPlans>,
    id: PathParam<PlanId>,
    service: web::Data<KeyService>,
) -> Result<HttpResponse, Problem> {
    let plan = service.get_plan(id.0).await?;
    Ok(HttpResponse::Ok().insert_header(etag::header(plan.version)).json(PlanBody::to_api(&plan)))
}
