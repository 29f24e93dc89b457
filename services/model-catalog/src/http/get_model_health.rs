//! `GET /api/v1/models/{id}/health`

use actix_web::{get, web};
use maas_types::{ModelId, Timestamp, UpstreamId};
use maas_web::{PathParam, Problem, Require, permission::ReadModelAdministration};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::problem;
use crate::{
    app::CatalogState,
    domain::health::{Circuit, HealthCheck, HealthStatus},
    service::health::{Heard, ModelHealth, UpstreamHealth},
};

#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogModelHealth {
    /// `ok`, `degraded` when not every upstream is called, `down` when none is, `unknown` without any report. Upstreams
    /// that are switched off and mirrors do not count.
    pub status: HealthStatus,
    /// All upstreams of the model, oldest first.
    pub upstreams: Vec<CatalogUpstreamHealth>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogUpstreamHealth {
    pub id: UpstreamId,
    #[schema(example = "vllm-a")]
    pub name: String,
    pub enabled: bool,
    pub mirror: bool,
    /// The worst that a living proxy says.
    pub circuit: Circuit,
    /// The proxies that have reported it within the last 30 seconds, by instance.
    pub proxies: Vec<CatalogProxyView>,
}

/// How one proxy finds an upstream. Its times but `reported_at` are on the proxy's clock.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogProxyView {
    /// The proxy's instance id, as in the sources of usage events.
    #[schema(example = "0199d3c0a1b27c3d8e4f5a6b7c8d9e0f")]
    pub instance: String,
    pub circuit: Circuit,
    /// When the upstream is tried again; null while the circuit is closed.
    pub open_until: Option<Timestamp>,
    #[schema(example = 5)]
    pub consecutive_failures: u32,
    /// Requests of this proxy that the upstream is answering.
    #[schema(example = 3)]
    pub in_flight: u32,
    /// null: none since the proxy started.
    pub last_success: Option<Timestamp>,
    pub last_failure: Option<Timestamp>,
    /// An outcome or a class of errors.
    #[schema(example = "timeout")]
    pub last_failure_reason: Option<String>,
    /// What the last check of its `health_path` said.
    pub check: HealthCheck,
    pub reported_at: Timestamp,
}

/// How the proxies find a model's upstreams, as they reported it within the last 30 seconds.
#[utoipa::path(
    operation_id = "getModelHealth",
    tag = "models",
    params(("id" = ModelId, Path, description = "The model's id")),
    responses(
        (status = 200, description = "The model's health", body = CatalogModelHealth),
        (status = 404, description = "No such model")
    )
)]
#[get("/api/v1/models/{id}/health")]
pub async fn get_model_health(
    _require: Require<ReadModelAdministration>,
    id: PathParam<ModelId>,
    state: web::Data<CatalogState>,
) -> Result<web::Json<CatalogModelHealth>, Problem> {
    let health = state.0.model_health(id.0).await.map_err(problem)?;
    Ok(web::Json(CatalogModelHealth::to_api(health)))
}

impl CatalogModelHealth {
    fn to_api(health: ModelHealth) -> Self {
        let upstreams = health.upstreams.into_iter().map(CatalogUpstreamHealth::to_api).collect();
        Self { status: health.status, upstreams }
    }
}

impl CatalogUpstreamHealth {
    fn to_api(health: UpstreamHealth) -> Self {
        Self {
            id: health.upstream.id,
            name: health.upstream.name,
            enabled: health.upstream.enabled,
            mirror: health.upstream.mirror,
            circuit: health.circuit,
            proxies: health.proxies.into_iter().map(CatalogProxyView::to_api).collect(),
        }
    }
}

impl CatalogProxyView {
    fn to_api((instance, heard): (Uuid, Heard)) -> Self {
        let view = heard.view;
        Self {
            instance: instance.simple().to_string(),
            circuit: view.circuit,
            open_until: view.open_until,
            consecutive_failures: view.consecutive_failures,
            in_flight: view.in_flight,
            last_success: view.last_success,
            last_failure: view.last_failure,
            last_failure_reason: view.last_failure_reason,
            check: view.check,
            reported_at: heard.at,
        }
    }
}
