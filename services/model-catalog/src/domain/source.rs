//! Where models come from by themselves, and what a run of a source did.

use maas_types::{Nanos, SourceId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{model_fields::ModelFields, price::PriceInput, upstream_fields::UpstreamFields};

/// Kinds of sources. The next ones (KServe) get a line here and a module in `service/source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CatalogSourceKind)]
pub enum SourceKind {
    ConfigFile,
    OpenaiList,
}

impl SourceKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConfigFile => "config_file",
            Self::OpenaiList => "openai_list",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::ConfigFile, Self::OpenaiList].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What becomes of a model that a source lists for the first time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CatalogNewModels)]
pub enum NewModels {
    #[default]
    Enabled,
    Restricted,
    Disabled,
}

/// A price per million tokens, for models that have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CatalogSourcePrice)]
pub struct SourcePrice {
    pub input: Nanos,
    pub output: Nanos,
}

/// What a source does with what it finds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = CatalogSourceSettings)]
pub struct SourceSettings {
    /// Patterns with `*` and `?`; empty takes every model.
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    pub new_models: NewModels,
    pub price: Option<SourcePrice>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub id: SourceId,
    pub name: String,
    pub kind: SourceKind,
    /// The base URL of a list, the path of a file.
    pub location: String,
    pub credential_variable: Option<String>,
    /// What its upstreams get as their instance; empty = they have none, or say it themselves.
    pub instance: String,
    pub settings: SourceSettings,
    /// Named by the present configuration; one that is not is kept for its history and never runs.
    pub configured: bool,
    pub last_run_at: Option<Timestamp>,
    pub last_success_at: Option<Timestamp>,
    pub last_error: Option<String>,
    pub last_result: Option<SyncCounts>,
    pub created_at: Timestamp,
}

/// One model that a source offers.
#[derive(Debug, Clone)]
pub struct OfferedModel {
    /// What the source calls it; the public name too, unless that is taken.
    pub key: String,
    /// For a model that is not in the catalogue yet; what these say is the starting point only.
    pub first: ModelFields,
    /// What the source owns: put into the model on each run.
    pub owned: ModelFields,
    pub upstreams: Vec<UpstreamFields>,
    pub price: OfferedPrice,
}

#[derive(Debug, Clone)]
pub enum OfferedPrice {
    None,
    /// For a model without any price.
    Default(PriceInput),
    /// The price in force is this one.
    Owned(PriceInput),
}

/// What a run did, or would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = CatalogSyncCounts)]
pub struct SyncCounts {
    pub created: u64,
    pub updated: u64,
    /// Listed again after having vanished.
    pub returned: u64,
    /// Not listed any more.
    pub vanished: u64,
    pub unchanged: u64,
    /// Listed, but not taken.
    pub skipped: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CatalogSyncAction)]
pub enum SyncAction {
    Created,
    Updated,
    Returned,
    Vanished,
    Skipped,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CatalogSyncChange)]
pub struct SyncChange {
    #[schema(example = "sim/llama-3.1-8b")]
    pub model: String,
    pub action: SyncAction,
    /// Why a model was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncOutcome {
    pub counts: SyncCounts,
    pub changes: Vec<SyncChange>,
}

impl SyncOutcome {
    pub fn note(&mut self, model: &str, action: SyncAction, reason: Option<String>) {
        let counter = match action {
            SyncAction::Created => &mut self.counts.created,
            SyncAction::Updated => &mut self.counts.updated,
            SyncAction::Returned => &mut self.counts.returned,
            SyncAction::Vanished => &mut self.counts.vanished,
            SyncAction::Skipped => &mut self.counts.skipped,
        };
        *counter += 1;
        self.changes.push(SyncChange { model: model.to_owned(), action, reason });
    }
}

/// What one run of one source came to.
#[derive(Debug, Clone)]
pub struct SourceReport {
    pub id: SourceId,
    pub name: String,
    pub kind: SourceKind,
    pub dry_run: bool,
    /// Why nothing was changed.
    pub error: Option<String>,
    pub outcome: SyncOutcome,
}
