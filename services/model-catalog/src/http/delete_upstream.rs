//! `DELETE /api/v1/upstreams/{id}`

use actix_web::{HttpResponse, delete, web};
use maas_types::UpstreamId;
use maas_web::{PathParam, Problem, Require, etag::IfMatch, middleware::RequestContext, permission::ManageModels};

use super::problem;
use crate::app::CatalogState;

/// Deletes an upstream. One that a source made comes back with the source's next run.
#[utoipa::path(
    operation_id = "deleteUpstream",
    tag = "upstreams",
    params(
        ("id" = UpstreamId, Path, description = "The upstream's id"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version that is to be deleted")
    ),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "No such upstream"),
        (status = 412, description = "Somebody changed it since it was read")
    )
)]
#[delete("/api/v1/upstreams/{id}")]
pub async fn delete_upstream(
    require: Require<ManageModels>,
    context: RequestContext,
    id: PathParam<UpstreamId>,
    if_match: IfMatch,
    state: web::Data<CatalogState>,
) -> Result<HttpResponse, Problem> {
    state.0.delete_upstream(id.0, if_match.0, &context.actor(&require.caller)).await.map_err(problem)?;
    Ok(HttpResponse::NoContent().finish())
}
