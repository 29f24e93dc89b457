//! `DELETE /api/v1/models/{id}`

use actix_web::{HttpResponse, delete, web};
use maas_types::ModelId;
use maas_web::{PathParam, Problem, Require, etag::IfMatch, middleware::RequestContext, permission::ManageModels};

use super::problem;
use crate::app::CatalogState;

/// Deletes a model with its upstreams and prices. Keys that name it stay as they are.
#[utoipa::path(
    operation_id = "deleteModel",
    tag = "models",
    params(
        ("id" = ModelId, Path, description = "The model's id"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version that is to be deleted")
    ),
    responses(
        (status = 204, description = "Deleted"),
        (status = 404, description = "No such model"),
        (status = 409, description = "Its source still offers it; switch it off instead"),
        (status = 412, description = "Somebody changed it since it was read")
    )
)]
#[delete("/api/v1/models/{id}")]
pub async fn delete_model(
    require: Require<ManageModels>,
    context: RequestContext,
    id: PathParam<ModelId>,
    if_match: IfMatch,
    state: web::Data<CatalogState>,
) -> Result<HttpResponse, Problem> {
    state.0.delete_model(id.0, if_match.0, &context.actor(&require.caller)).await.map_err(problem)?;
    Ok(HttpResponse::NoContent().finish())
}
