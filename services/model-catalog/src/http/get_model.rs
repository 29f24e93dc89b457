//! `GET /api/v1/models/{id}`

use actix_web::{HttpResponse, get, web};
use maas_types::ModelId;
use maas_web::{AccessScope, PathParam, Problem, Require, etag, permission::ReadModels};

use super::{model::CatalogModel, problem};
use crate::app::CatalogState;

/// One model. What the caller may not know of is not found.
#[utoipa::path(
    operation_id = "getModel",
    tag = "models",
    params(("id" = ModelId, Path, description = "The model's id")),
    responses(
        (status = 200, description = "The model, with its version as ETag", body = CatalogModel),
        (status = 404, description = "No such model, or not for this caller")
    )
)]
#[get("/api/v1/models/{id}")]
pub async fn get_model(
    require: Require<ReadModels>,
    id: PathParam<ModelId>,
    state: web::Data<CatalogState>,
) -> Result<HttpResponse, Problem> {
    let whole = state.0.model(id.0).await.map_err(problem)?;
    let access = state.0.access.of(&require.caller)?;
    let is_visible = whole.model.is_offered() && access.opens(&whole.model.name);
    if require.scope != AccessScope::All && !is_visible {
        return Err(Problem::not_found("model"));
    }
    let body = CatalogModel::to_api(&whole, &access, require.scope, state.0.clock.now());
    Ok(HttpResponse::Ok().insert_header(etag::header(whole.model.version)).json(body))
}
