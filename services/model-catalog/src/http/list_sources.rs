//! `GET /api/v1/sources`

use actix_web::{get, web};
use maas_types::{SourceId, Timestamp};
use maas_web::{PageQuery, Problem, QueryParams, Require, page_of, permission::ReadModelAdministration};
use serde::Serialize;
use utoipa::ToSchema;

use super::{problem, upstream::CatalogCredential};
use crate::{
    app::CatalogState,
    domain::source::{Source, SourceKind, SourceSettings, SyncCounts},
};

#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogSource {
    pub id: SourceId,
    #[schema(example = "vllm")]
    pub name: String,
    pub kind: SourceKind,
    /// The URL of a list, the path of a file.
    #[schema(example = "http://vllm.models.svc:8000/v1")]
    pub location: String,
    pub credential: CatalogCredential,
    /// The path under which the server's own model names can be called; null for a file, whose upstreams say it.
    #[schema(example = "llm/vllm")]
    pub instance: Option<String>,
    pub settings: SourceSettings,
    /// False for one that the configuration does not name any more; it never runs.
    pub configured: bool,
    /// ok, degraded, never_run, withdrawn
    #[schema(example = "ok")]
    pub status: &'static str,
    pub last_run_at: Option<Timestamp>,
    pub last_success_at: Option<Timestamp>,
    /// Why the last run changed nothing.
    pub last_error: Option<String>,
    /// What the last successful run did.
    pub last_result: Option<SyncCounts>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogSourcePage {
    /// By name.
    pub data: Vec<CatalogSource>,
    /// Always null: all sources are on one page.
    pub next_cursor: Option<String>,
}

/// The discovery sources, those of the configuration included.
#[utoipa::path(
    operation_id = "listSources",
    tag = "sources",
    params(PageQuery),
    responses((status = 200, description = "All sources", body = CatalogSourcePage))
)]
#[get("/api/v1/sources")]
pub async fn list_sources(
    _require: Require<ReadModelAdministration>,
    query: QueryParams<PageQuery>,
    state: web::Data<CatalogState>,
) -> Result<web::Json<CatalogSourcePage>, Problem> {
    let sources = state.0.sources().await.map_err(problem)?;
    let all = sources.into_iter().map(CatalogSource::to_api).collect();
    let (data, next_cursor) = page_of(all, &query.0, |item| item.id.to_string())?;
    Ok(web::Json(CatalogSourcePage { data, next_cursor }))
}

impl CatalogSource {
    fn to_api(source: Source) -> Self {
        let set = source.credential_variable.is_some();
        Self {
            id: source.id,
            status: status(&source),
            name: source.name,
            kind: source.kind,
            location: source.location,
            credential: CatalogCredential { kind: if set { "environment_variable" } else { "none" }, set },
            instance: Some(source.instance).filter(|instance| !instance.is_empty()),
            settings: source.settings,
            configured: source.configured,
            last_run_at: source.last_run_at,
            last_success_at: source.last_success_at,
            last_error: source.last_error,
            last_result: source.last_result,
        }
    }
}

fn status(source: &Source) -> &'static str {
    match (source.configured, source.last_run_at, &source.last_error) {
        (false, _, _) => "withdrawn",
        (true, None, _) => "never_run",
        (true, Some(_), Some(_)) => "degraded",
        (true, Some(_), None) => "ok",
    }
}
