//! Runs the sources: lists at intervals, the models file whenever its content changes.

use std::{sync::Arc, time::Duration};

use maas_runtime::process::Process;
use maas_types::SourceId;

use crate::{
    domain::source::{Source, SourceKind, SourceReport},
    service::{Catalog, CatalogError, source::content_hash},
};

const FILE_POLL: Duration = Duration::from_secs(2);
/// A server that could not be read is asked again sooner than at the usual interval.
const RETRY: Duration = Duration::from_secs(10);

pub fn spawn(catalog: &Arc<Catalog>, sources: Vec<Source>, interval: Duration, process: &Process) {
    for source in sources {
        let catalog = catalog.clone();
        let soft_stop = process.lifecycle.soft_stop().clone();
        process.lifecycle.spawn(format!("model-catalog source {}", source.name), async move {
            let work = async {
                match source.kind {
                    SourceKind::ConfigFile => follow_file(&catalog, &source).await,
                    SourceKind::OpenaiList => follow_list(&catalog, source.id, interval).await,
                }
            };
            tokio::select! {
                () = work => {}
                () = soft_stop.cancelled() => {}
            }
            Ok(())
        });
    }
}

async fn follow_list(catalog: &Catalog, id: SourceId, interval: Duration) {
    // Who starts the service may have waited for the first run already.
    let first = catalog.sync_if(id, |state| !state.has_run).await;
    let mut is_fine = is_fine(id, first);
    loop {
        tokio::time::sleep(if is_fine { interval } else { interval.min(RETRY) }).await;
        is_fine = self::is_fine(id, catalog.sync(id, false).await.map(Some));
    }
}

async fn follow_file(catalog: &Catalog, source: &Source) {
    loop {
        let content = content_hash(&source.location).await;
        let run = catalog.sync_if(source.id, |state| !state.has_run || state.content != content).await;
        // What could not be stored is not remembered as read, so the next look tries again.
        is_fine(source.id, run);
        tokio::time::sleep(FILE_POLL).await;
    }
}

/// False when the source could not be read or its models not be stored. Faults of the source were told by the run.
fn is_fine(id: SourceId, run: Result<Option<SourceReport>, CatalogError>) -> bool {
    match run {
        Ok(report) => report.is_none_or(|report| report.error.is_none()),
        Err(error) => {
            tracing::warn!(%error, source.id = %id, "what a source offers cannot be stored");
            false
        }
    }
}
