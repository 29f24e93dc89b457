//! An upstream on the wire; only for administrators.

use maas_types::{ModelId, SourceId, Timestamp, UpstreamId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::upstream::Upstream;

#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogUpstream {
    pub id: UpstreamId,
    pub model_id: ModelId,
    #[schema(example = "vllm-a")]
    pub name: String,
    #[schema(example = "http://llama.models.svc:8000/v1")]
    pub base_url: String,
    #[schema(example = "openai")]
    pub dialect: String,
    #[schema(example = "meta-llama/Llama-3.1-8B-Instruct")]
    pub upstream_model: String,
    pub credential: CatalogCredential,
    #[schema(example = 100)]
    pub weight: u32,
    #[schema(example = 0)]
    pub priority: u32,
    pub enabled: bool,
    /// Milliseconds; 0 leaves it to the proxy, as for the other three.
    pub connect_timeout_ms: u32,
    pub first_byte_timeout_ms: u32,
    pub gap_timeout_ms: u32,
    pub total_timeout_ms: u32,
    /// The source that keeps it up to date; null for one that somebody added.
    pub source_id: Option<SourceId>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// That there is a credential, and of which kind; never what it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogCredential {
    /// none, environment_variable, file, encrypted
    #[schema(example = "encrypted")]
    pub kind: &'static str,
    pub set: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogUpstreamPage {
    pub data: Vec<CatalogUpstream>,
    /// Always null: all of a model's upstreams are on one page.
    pub next_cursor: Option<String>,
}

impl CatalogUpstream {
    pub fn to_api(upstream: &Upstream) -> Self {
        Self {
            id: upstream.id,
            model_id: upstream.model_id,
            name: upstream.name.clone(),
            base_url: upstream.base_url.clone(),
            dialect: upstream.dialect.clone(),
            upstream_model: upstream.upstream_model.clone(),
            credential: CatalogCredential { kind: upstream.credential.kind(), set: upstream.credential.is_set() },
            weight: upstream.weight,
            priority: upstream.priority,
            enabled: upstream.enabled,
            connect_timeout_ms: upstream.timeouts.connect_timeout_ms,
            first_byte_timeout_ms: upstream.timeouts.first_byte_timeout_ms,
            gap_timeout_ms: upstream.timeouts.gap_timeout_ms,
            total_timeout_ms: upstream.timeouts.total_timeout_ms,
            source_id: upstream.source_id,
            created_at: upstream.created_at,
            updated_at: upstream.updated_at,
        }
    }
}
