//! `GET /api/v1/models/{id}/upstreams`

use actix_web::{get, web};
use maas_types::ModelId;
use maas_web::{PageQuery, PathParam, Problem, QueryParams, Require, page_of, permission::ReadModelAdministration};

use super::{
    problem,
    upstream::{CatalogUpstream, CatalogUpstreamPage},
};
use crate::app::CatalogState;

/// Where a model is served, oldest first. Credentials are not shown.
#[utoipa::path(
    operation_id = "listUpstreams",
    tag = "upstreams",
    params(PageQuery, ("id" = ModelId, Path, description = "The model's id")),
    responses(
        (status = 200, description = "The model's upstreams", body = CatalogUpstreamPage),
        (status = 404, description = "No such model")
    )
)]
#[get("/api/v1/models/{id}/upstreams")]
pub async fn list_upstreams(
    _require: Require<ReadModelAdministration>,
    id: PathParam<ModelId>,
    query: QueryParams<PageQuery>,
    state: web::Data<CatalogState>,
) -> Result<web::Json<CatalogUpstreamPage>, Problem> {
    let whole = state.0.model(id.0).await.map_err(problem)?;
    let all = whole.upstreams.iter().map(CatalogUpstream::to_api).collect();
    let (data, next_cursor) = page_of(all, &query.0, |item| item.id.to_string())?;
    Ok(web::Json(CatalogUpstreamPage { data, next_cursor }))
}
