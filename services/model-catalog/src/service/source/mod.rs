//! Discovery sources. Each reads what is offered somewhere ([`file`], [`list`]); what follows ([`apply`]) is the same
//! for all of them. To add a kind of source, add a module that turns what it reads into offered models, and a line in
//! [`Catalog::offers`].

mod apply;
mod file;
mod list;
mod register;

pub use file::content_hash;

use maas_types::input::InputFault;
use std::sync::Arc;

use maas_http::BlockedAddress;
use maas_llm::models::ModelListError;
use maas_types::SourceId;
use tokio::sync::Mutex;

use super::{Catalog, CatalogError, RunState};
use crate::{
    domain::{
        fault,
        source::{OfferedModel, Source, SourceKind, SourceReport, SyncOutcome},
    },
    store,
};

/// Why a source could not say what it offers. Nothing is changed then.
#[derive(Debug, thiserror::Error)]
pub enum SourceFault {
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    #[error(transparent)]
    Blocked(#[from] BlockedAddress),
    #[error("the environment variable {0} is not set")]
    CredentialMissing(String),
    #[error("the server refuses the credential (status {0})")]
    Refused(u16),
    #[error("the server answered with status {0}")]
    Status(u16),
    #[error("the list is larger than {0} bytes")]
    TooLarge(usize),
    #[error(transparent)]
    NotAList(#[from] ModelListError),
    #[error("the server lists no models")]
    Empty,
    #[error("the file cannot be read: {0}")]
    File(#[from] std::io::Error),
    #[error("the file has {} fault(s): {}", .0.len(), fault::join(.0))]
    Faults(Vec<InputFault>),
    #[error("the name of the file must end in .toml, .yaml or .yml")]
    Format,
}

impl Catalog {
    /// Runs a source once. Its own trouble is told in the report; an error is trouble of ours.
    pub async fn sync(&self, id: SourceId, dry_run: bool) -> Result<SourceReport, CatalogError> {
        let run = self.run_state(id).await;
        let mut state = run.lock().await;
        self.run(id, dry_run, &mut state).await
    }

    /// Runs a source if that is needed once nobody else runs it.
    pub async fn sync_if(
        &self,
        id: SourceId,
        is_needed: impl FnOnce(&RunState) -> bool,
    ) -> Result<Option<SourceReport>, CatalogError> {
        let run = self.run_state(id).await;
        let mut state = run.lock().await;
        if !is_needed(&state) {
            return Ok(None);
        }
        self.run(id, false, &mut state).await.map(Some)
    }

    async fn run(&self, id: SourceId, dry_run: bool, state: &mut RunState) -> Result<SourceReport, CatalogError> {
        let source = self.source(id).await?;
        if !source.configured {
            return Err(CatalogError::Conflict("this source is not in the configuration any more".to_owned()));
        }
        // Before the content is read: what changes in between is noticed with the next look.
        let content = match source.kind {
            SourceKind::ConfigFile => content_hash(&source.location).await,
            SourceKind::OpenaiList => None,
        };
        let (outcome, error) = match self.offers(&source).await {
            Ok(offered) => (self.apply(&source, offered, dry_run).await?, None),
            Err(fault) => (SyncOutcome::default(), Some(fault.to_string())),
        };
        let report = SourceReport { id, name: source.name.clone(), kind: source.kind, dry_run, error, outcome };
        if !dry_run {
            self.record(source, &report).await?;
            *state = RunState { has_run: true, content };
        }
        Ok(report)
    }

    /// What the source offers now.
    async fn offers(&self, source: &Source) -> Result<Vec<OfferedModel>, SourceFault> {
        match source.kind {
            SourceKind::ConfigFile => self.read_file(source).await,
            SourceKind::OpenaiList => self.read_list(source).await,
        }
    }

    async fn record(&self, mut source: Source, report: &SourceReport) -> Result<(), CatalogError> {
        let now = self.clock.now();
        let was_fine = source.last_error.is_none();
        source.last_run_at = Some(now);
        source.last_error.clone_from(&report.error);
        if report.error.is_none() {
            source.last_success_at = Some(now);
            source.last_result = Some(report.outcome.counts);
        }
        store::source::update(self.database.writer(), &source).await?;
        self.metrics.count_sync(&source.name, report.error.as_deref(), now);
        match &report.error {
            // Once per change: a server that is away for an hour is one fact, not sixty.
            Some(error) if was_fine => {
                tracing::warn!(source.name, error, "a source of models cannot be read; its models stay as they are");
            }
            None if !was_fine || !report.outcome.changes.is_empty() => {
                tracing::info!(source.name, counts = ?report.outcome.counts, "a source of models was read");
            }
            _ => {}
        }
        Ok(())
    }

    async fn run_state(&self, id: SourceId) -> Arc<Mutex<RunState>> {
        self.runs.lock().await.entry(id).or_default().clone()
    }
}
