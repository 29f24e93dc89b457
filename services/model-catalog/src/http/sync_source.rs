//! `POST /api/v1/sources/{id}/sync`

use actix_web::{post, web};
use maas_types::SourceId;
use maas_web::{JsonBody, PathParam, Problem, Require, permission::ManageModels};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem;
use crate::{
    app::CatalogState,
    domain::source::{SyncChange, SyncCounts},
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SyncSourceRequest {
    /// Only say what would change.
    #[serde(default)]
    pub dry_run: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogSyncReport {
    pub source_id: SourceId,
    #[schema(example = "vllm")]
    pub source: String,
    pub dry_run: bool,
    /// ok, or degraded: then nothing was changed.
    #[schema(example = "ok")]
    pub status: &'static str,
    pub error: Option<String>,
    pub counts: SyncCounts,
    /// Model by model; unchanged ones are only counted.
    pub changes: Vec<SyncChange>,
}

/// Reads a source now. `{}` runs it, `{"dry_run": true}` only says what would change.
#[utoipa::path(
    operation_id = "syncSource",
    tag = "sources",
    params(("id" = SourceId, Path, description = "The source's id")),
    request_body = SyncSourceRequest,
    responses(
        (status = 200, description = "What the run did, or why it did nothing", body = CatalogSyncReport),
        (status = 404, description = "No such source"),
        (status = 409, description = "The source is not in the configuration any more")
    )
)]
#[post("/api/v1/sources/{id}/sync")]
pub async fn sync_source(
    _require: Require<ManageModels>,
    id: PathParam<SourceId>,
    body: JsonBody<SyncSourceRequest>,
    state: web::Data<CatalogState>,
) -> Result<web::Json<CatalogSyncReport>, Problem> {
    let report = state.0.sync(id.0, body.0.dry_run).await.map_err(problem)?;
    Ok(web::Json(CatalogSyncReport {
        source_id: report.id,
        source: report.name,
        dry_run: report.dry_run,
        status: if report.error.is_none() { "ok" } else { "degraded" },
        error: report.error,
        counts: report.outcome.counts,
        changes: report.outcome.changes,
    }))
}
