//! `PATCH /api/v1/models/{id}`

use actix_web::{HttpResponse, patch, web};
use maas_types::ModelId;
use maas_web::{
    JsonBody, PathParam, Problem, Require,
    etag::{self, IfMatch},
    middleware::RequestContext,
    permission::ManageModels,
};

use super::{model::CatalogModel, problem};
use crate::{app::CatalogState, domain::model_fields::ModelFields};

/// Changes a model; what is left out stays. The name never changes.
#[utoipa::path(
    operation_id = "updateModel",
    tag = "models",
    params(
        ("id" = ModelId, Path, description = "The model's id"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the version that is to be changed")
    ),
    request_body = ModelFields,
    responses(
        (status = 200, description = "The changed model, with its version as ETag", body = CatalogModel),
        (status = 404, description = "No such model"),
        (status = 412, description = "Somebody changed it since it was read")
    )
)]
#[patch("/api/v1/models/{id}")]
pub async fn update_model(
    require: Require<ManageModels>,
    context: RequestContext,
    id: PathParam<ModelId>,
    if_match: IfMatch,
    body: JsonBody<ModelFields>,
    state: web::Data<CatalogState>,
) -> Result<HttpResponse, Problem> {
    let access = state.0.access.of(&require.caller)?;
    let actor = context.actor(&require.caller);
    let updated = state.0.update_model(id.0, &body.0, if_match.0, &actor).await.map_err(problem)?;
    let whole = state.0.model(updated.id).await.map_err(problem)?;
    let body = CatalogModel::to_api(&whole, &access, require.scope, state.0.clock.now());
    Ok(HttpResponse::Ok().insert_header(etag::header(whole.model.version)).json(body))
}
