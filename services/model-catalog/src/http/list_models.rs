//! `GET /api/v1/models`

use actix_web::{get, web};
use maas_types::Cursor;
use maas_web::{AccessScope, PageQuery, Problem, QueryParams, Require, permission::ReadModels};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{model::CatalogModel, problem};
use crate::{
    app::CatalogState,
    domain::model::ModelStatus,
    store::model_page::{ModelFilter, ModelPosition},
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListModelsQuery {
    /// Rows of a page, 1 to 1000; 50 when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next_cursor` of the previous page.
    pub cursor: Option<String>,
    /// Only models of this status.
    #[param(inline)]
    pub status: Option<ModelStatus>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogModelPage {
    pub data: Vec<CatalogModel>,
    /// Pass it as `cursor`; null on the last page.
    pub next_cursor: Option<String>,
}

/// The models that the caller may know of, newest first. Users see what is offered and opened by their
/// plan, restricted models too; administrators see everything.
#[utoipa::path(
    operation_id = "listModels",
    tag = "models",
    params(ListModelsQuery),
    responses((status = 200, description = "One page of models", body = CatalogModelPage))
)]
#[get("/api/v1/models")]
pub async fn list_models(
    require: Require<ReadModels>,
    query: QueryParams<ListModelsQuery>,
    state: web::Data<CatalogState>,
) -> Result<web::Json<CatalogModelPage>, Problem> {
    let (limit, after) = PageQuery::new(query.0.limit, query.0.cursor).checked::<ModelPosition>()?;
    let access = state.0.access.of(&require.caller)?;
    let is_limited = require.scope != AccessScope::All;
    let names = if is_limited { access.opened() } else { None };
    let filter = ModelFilter { offered_only: is_limited, status: query.0.status, names };
    let page = state.0.list_models(filter, limit, after).await.map_err(problem)?;
    let now = state.0.clock.now();
    Ok(web::Json(CatalogModelPage {
        data: page.models.iter().map(|model| CatalogModel::to_api(model, &access, require.scope, now)).collect(),
        next_cursor: page.next.map(|position| Cursor::encode(&position).into_string()),
    }))
}
