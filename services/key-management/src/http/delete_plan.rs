use actix_web::{HttpResponse, delete, web};
use maas_types::PlanId;
use maas_web::{PathParam, Problem, Require, etag::IfMatch, middleware::RequestContext, permission::ManagePlans};

use crate::service::KeyService;

/// Deletes a plan. Who had it gets the next one that names one of their groups, else the default plan.
#[utoipa::path(
    operation_id = "deletePlan",
    tag = "plans",
    params(
        ("id" = PlanId, Path, description = "Id of the plan"),
        ("If-Match" = Option<String>, Header, description = "The ETag that the deletion is based on; 412 when it was changed since"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is no such plan"),
        (status = 409, description = "It is the default plan"),
        (status = 412, description = "The plan was changed since it was read"),
    )
)]
#[delete("/api/v1/plans/{id}")]
pub async fn delete_plan(
    require: Require<ManagePlans>,
    context: RequestContext,
    id: PathParam<PlanId>,
    if_match: IfMatch,
    service: web::Data<KeyService>,
) -> Result<HttpResponse, Problem> {
    service.delete_plan(id.0, if_match.0, &context.actor(&require.caller)).await?;
    Ok(HttpResponse::NoContent().finish())
}
