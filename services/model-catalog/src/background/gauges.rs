//! Keeps the gauges about models true: after each change here, and now and then for the changes of other replicas.

use std::{sync::Arc, time::Duration};

use maas_runtime::process::Process;

use crate::{service::Catalog, store::model_page::ModelFilter};

const EVERY: Duration = Duration::from_secs(30);

pub fn spawn(catalog: Arc<Catalog>, process: &Process) {
    let soft_stop = process.lifecycle.soft_stop().clone();
    process.lifecycle.spawn("model-catalog gauges", async move {
        loop {
            match catalog.all_models(ModelFilter::default()).await {
                Ok(models) => catalog.metrics.show_models(&models),
                Err(error) => tracing::warn!(%error, "the gauges about models cannot be brought up to date"),
            }
            tokio::select! {
                () = catalog.changed.notified() => {}
                () = tokio::time::sleep(EVERY) => {}
                () = soft_stop.cancelled() => return Ok(()),
            }
        }
    });
}
