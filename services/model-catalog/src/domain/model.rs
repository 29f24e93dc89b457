//! A model of the catalogue, and what its fields mean together.

use maas_types::{ModelId, SourceId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    routing::{ModelAffinity, ModelRouting},
    texts::texts,
};

texts! {
    /// What a model does.
    ModelKind {
        Chat = "chat",
        Completion = "completion",
        Embedding = "embedding",
        Rerank = "rerank",
        Image = "image",
        Audio = "audio",
        Moderation = "moderation",
    }
}

texts! {
    /// Where a model is in its life; a disabled one is neither offered nor served.
    ModelLifecycle {
        Preview = "preview",
        Available = "available",
        Deprecated = "deprecated",
        Disabled = "disabled",
    }
}

/// Whether a model can serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ModelStatus {
    Ready,
    /// Has no upstream that is switched on and answers clients.
    Degraded,
    /// Has vanished from its source.
    Unavailable,
    Disabled,
}

/// One row of the catalogue. The name never changes: keys, usage and clients know the model by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Model {
    pub id: ModelId,
    pub version: u64,
    pub name: String,
    pub display_name: String,
    pub description: String,
    pub aliases: Vec<String>,
    pub provider: String,
    pub family: String,
    pub category: String,
    pub kind: ModelKind,
    pub capabilities: Vec<String>,
    /// 0 = not known.
    pub context_length: u32,
    /// 0 = not known.
    pub max_output_tokens: u32,
    pub owner: String,
    pub licence: String,
    pub tags: Vec<String>,
    pub lifecycle: ModelLifecycle,
    pub enabled: bool,
    pub restricted: bool,
    pub routing: ModelRouting,
    pub affinity: ModelAffinity,
    /// Public names of the models that serve instead, in this order, when no upstream of this one does.
    pub fallbacks: Vec<String>,
    /// The same for requests that are too long for this model.
    pub context_fallbacks: Vec<String>,
    /// False when its source does not list it any more; everything else stays as it was for when it comes back.
    pub available: bool,
    pub source: Option<SourceReference>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Where a model came from, and what it is called there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceReference {
    pub id: SourceId,
    pub key: String,
}

impl Model {
    /// A model with nothing but a name.
    pub fn new(name: String, now: Timestamp) -> Self {
        Self {
            id: ModelId::new_at(now),
            version: 1,
            display_name: name.clone(),
            name,
            description: String::new(),
            aliases: Vec::new(),
            provider: String::new(),
            family: String::new(),
            category: String::new(),
            kind: ModelKind::Chat,
            capabilities: Vec::new(),
            context_length: 0,
            max_output_tokens: 0,
            owner: String::new(),
            licence: String::new(),
            tags: Vec::new(),
            lifecycle: ModelLifecycle::Available,
            enabled: true,
            restricted: false,
            routing: ModelRouting::Weighted,
            affinity: ModelAffinity::None,
            fallbacks: Vec::new(),
            context_fallbacks: Vec::new(),
            available: true,
            source: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// Whether the model is offered at all, to whoever may use it.
    pub fn is_offered(&self) -> bool {
        self.enabled && self.available && self.lifecycle != ModelLifecycle::Disabled
    }

    pub fn status(&self, has_upstream: bool) -> ModelStatus {
        if !self.enabled || self.lifecycle == ModelLifecycle::Disabled {
            ModelStatus::Disabled
        } else if !self.available {
            ModelStatus::Unavailable
        } else if has_upstream {
            ModelStatus::Ready
        } else {
            ModelStatus::Degraded
        }
    }

    pub fn owned_by(&self) -> &str {
        if self.owner.is_empty() { "maas" } else { &self.owner }
    }
}
