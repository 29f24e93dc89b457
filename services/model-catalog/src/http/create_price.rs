//! `POST /api/v1/models/{id}/prices`

use actix_web::{HttpResponse, post, web};
use maas_types::ModelId;
use maas_web::{JsonBody, PathParam, Problem, Require, middleware::RequestContext, permission::ManageModels};

use super::{price::CatalogPrice, problem};
use crate::{app::CatalogState, domain::price::PriceInput};

/// Adds a version of a model's price, from now or from a later time on. Versions are never edited.
#[utoipa::path(
    operation_id = "createPrice",
    tag = "prices",
    params(("id" = ModelId, Path, description = "The model's id")),
    request_body = PriceInput,
    responses(
        (status = 201, description = "The new version", body = CatalogPrice),
        (status = 404, description = "No such model"),
        (status = 409, description = "Another version begins at the same time")
    )
)]
#[post("/api/v1/models/{id}/prices")]
pub async fn create_price(
    require: Require<ManageModels>,
    context: RequestContext,
    id: PathParam<ModelId>,
    body: JsonBody<PriceInput>,
    state: web::Data<CatalogState>,
) -> Result<HttpResponse, Problem> {
    let actor = context.actor(&require.caller);
    let price = state.0.create_price(id.0, &body.0, &actor).await.map_err(problem)?;
    Ok(HttpResponse::Created()
        .insert_header(("location", format!("/api/v1/models/{}/prices", id.0)))
        .json(CatalogPrice::to_api(&price)))
}
