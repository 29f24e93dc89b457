//! `GET /api/v1/models/{id}/prices`

use actix_web::{get, web};
use maas_types::ModelId;
use maas_web::{AccessScope, PageQuery, PathParam, Problem, QueryParams, Require, page_of, permission::ReadModels};

use super::{
    price::{CatalogPrice, CatalogPricePage},
    problem,
};
use crate::app::CatalogState;

/// Every price a model has had, has and is going to have, newest first.
#[utoipa::path(
    operation_id = "listPrices",
    tag = "prices",
    params(PageQuery, ("id" = ModelId, Path, description = "The model's id")),
    responses(
        (status = 200, description = "The model's prices", body = CatalogPricePage),
        (status = 404, description = "No such model, or not for this caller")
    )
)]
#[get("/api/v1/models/{id}/prices")]
pub async fn list_prices(
    require: Require<ReadModels>,
    id: PathParam<ModelId>,
    query: QueryParams<PageQuery>,
    state: web::Data<CatalogState>,
) -> Result<web::Json<CatalogPricePage>, Problem> {
    let whole = state.0.model(id.0).await.map_err(problem)?;
    if require.scope != AccessScope::All && !whole.model.is_offered() {
        return Err(Problem::not_found("model"));
    }
    let all = whole.prices.iter().rev().map(CatalogPrice::to_api).collect();
    let (data, next_cursor) = page_of(all, &query.0, |item| item.id.to_string())?;
    Ok(web::Json(CatalogPricePage { data, next_cursor }))
}
