//! An upstream on the wire; only for administrators.

use std::collections::BTreeMap;

use maas_types::{ModelId, SourceId, Timestamp, UpstreamId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{
    dialect::{UpstreamDialect, UpstreamNativeApi},
    upstream::Upstream,
};

#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogUpstream {
    pub id: UpstreamId,
    pub model_id: ModelId,
    #[schema(example = "vllm-a")]
    pub name: String,
    #[schema(example = "http://llama.models.svc:8000/v1")]
    pub base_url: String,
    pub dialect: UpstreamDialect,
    #[schema(example = "meta-llama/Llama-3.1-8B-Instruct")]
    pub upstream_model: String,
    pub credential: CatalogCredential,
    #[schema(example = 100)]
    pub weight: u32,
    #[schema(example = 0)]
    pub priority: u32,
    pub enabled: bool,
    /// It gets a copy of the model's requests, and its answers go nowhere.
    pub mirror: bool,
    /// Requests that each proxy sends to it at the same time; 0 is no limit.
    #[schema(example = 64)]
    pub capacity: u32,
    /// Milliseconds; 0 leaves it to the proxy, as for the other three.
    pub connect_timeout_ms: u32,
    pub first_byte_timeout_ms: u32,
    pub gap_timeout_ms: u32,
    pub total_timeout_ms: u32,
    /// Sent with each request; no secrets.
    #[schema(example = json!({"openai-organization": "org-4711"}))]
    pub headers: BTreeMap<String, String>,
    /// What it answers by itself besides the API of its dialect.
    #[schema(example = json!(["responses"]))]
    pub native_apis: Vec<UpstreamNativeApi>,
    /// Empty when not set, as the next three.
    #[schema(example = "2024-10-21")]
    pub api_version: String,
    #[schema(example = "internal-ca.pem")]
    pub ca_file: String,
    #[schema(example = "llm/gemini-llamastack")]
    pub instance: String,
    #[schema(example = "/health")]
    pub health_path: String,
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
            dialect: upstream.dialect,
            upstream_model: upstream.upstream_model.clone(),
            credential: CatalogCredential { kind: upstream.credential.kind(), set: upstream.credential.is_set() },
            weight: upstream.weight,
            priority: upstream.priority,
            enabled: upstream.enabled,
            mirror: upstream.mirror,
            capacity: upstream.capacity,
            connect_timeout_ms: upstream.timeouts.connect_timeout_ms,
            first_byte_timeout_ms: upstream.timeouts.first_byte_timeout_ms,
            gap_timeout_ms: upstream.timeouts.gap_timeout_ms,
            total_timeout_ms: upstream.timeouts.total_timeout_ms,
            headers: upstream.headers.clone(),
            native_apis: upstream.native_apis.iter().copied().collect(),
            api_version: upstream.api_version.clone(),
            ca_file: upstream.ca_file.clone(),
            instance: upstream.instance.clone(),
            health_path: upstream.health_path.clone(),
            source_id: upstream.source_id,
            created_at: upstream.created_at,
            updated_at: upstream.updated_at,
        }
    }
}
