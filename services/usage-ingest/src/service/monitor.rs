//! Watches the ledger from outside: gaps in producers' sequences, and whether database and bus are there.

use std::{sync::Arc, time::Duration};

use maas_bus::SharedBus;
use maas_runtime::readiness::CheckHandle;
use maas_store::{Database, StoreError};
use maas_types::Clock;
use tokio_util::sync::CancellationToken;

use super::writer::unanswered;
use crate::{
    domain::completeness::{LOST_AFTER, total_gap},
    metrics::UsageMetrics,
    store,
};

/// A part of the time within which a gap is noticed, see `domain::completeness`.
const PERIOD: Duration = Duration::from_secs(1);

/// A connection that only this end remembers would never answer, and never be missed.
const LONGEST_LOOK: Duration = Duration::from_secs(5);

pub struct Monitor {
    pub database: Database,
    pub bus: SharedBus,
    pub clock: Arc<dyn Clock>,
    pub metrics: UsageMetrics,
    pub database_check: CheckHandle,
    pub bus_check: CheckHandle,
}

impl Monitor {
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            self.look().await;
            tokio::select! {
                () = tokio::time::sleep(PERIOD) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    async fn look(&self) {
        let connected = self.bus.is_connected();
        self.bus_check.set(if connected { Ok(()) } else { Err("the bus is not connected".to_owned()) });
        // The question that the gauges need is also the proof that the database answers.
        let looked = tokio::time::timeout(LONGEST_LOOK, self.measure_gaps()).await;
        let looked = looked.unwrap_or_else(|_| Err(unanswered()));
        self.database_check.set(looked.map_err(|error| error.to_string()));
    }

    async fn measure_gaps(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let sources = store::source::load_current(self.database.reader(), now.minus(LOST_AFTER)).await?;
        self.metrics.gap(total_gap(sources.values(), now));
        Ok(())
    }
}
