//! Looks after the pipeline from outside: what waits in the stream, what lies in quarantine, and whether the last two
//! days' sums are still the sum of their entries.
//!
//! Guarantee: gauges show what was true a short while ago, or nothing. A difference that is found is also logged, since
//! it is never normal.
//!
//! A consumer that is stuck is not mended here but by the bus, which sees it first.

use std::time::Duration;

use maas_store::StoreError;
use maas_types::UtcDay;
use tokio_util::sync::CancellationToken;

use super::{consumer::consumer_spec, repair::Repair};
use crate::{domain::reconciliation::Proof, pipeline_metrics::PipelineMetrics, store};

const LOOK_EVERY: Duration = Duration::from_secs(5);
const LONGEST_LOOK: Duration = Duration::from_secs(10);
/// Each check reads a day of raw events.
const PROVE_EVERY: Duration = Duration::from_secs(10 * 60);
/// How often to see whether a check is due, by whichever replica.
const ASK_EVERY: Duration = Duration::from_secs(30);
/// A round is followed by a rest of so many times its length: checks never take more than a small part of the database.
const REST: u32 = 20;
/// Today and yesterday: what came late is seen as well.
const DAYS: i32 = 2;

#[derive(Clone)]
pub struct Supervisor {
    pub repair: Repair,
    pub metrics: PipelineMetrics,
}

impl Supervisor {
    /// Stream and quarantine, until the stop.
    pub async fn watch(self, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            // Without an answer the next look may have one; what is away is told by its own readiness check.
            let _ = tokio::time::timeout(LONGEST_LOOK, self.look()).await;
            if pause(LOOK_EVERY, &stop).await {
                return Ok(());
            }
        }
    }

    async fn look(&self) {
        if let Ok(status) = self.repair.bus.consumer_status(&consumer_spec(&self.repair.settings)).await {
            self.metrics.waiting(status);
        }
        match store::quarantine::held(self.repair.database.reader()).await {
            Ok(held) => self.metrics.quarantine(&held),
            Err(error) => tracing::debug!(error.message = %error, "the quarantine cannot be counted"),
        }
    }

    /// Proofs, until the stop.
    pub async fn prove(self, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            let started = tokio::time::Instant::now();
            let round = tokio::select! {
                round = self.prove_recent() => round,
                () = stop.cancelled() => return Ok(()),
            };
            let mut rest = ASK_EVERY.max(started.elapsed() * REST);
            if let Err(error) = round {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::warn!(error.message = %error, error.cause = cause, "the sums could not be checked");
                rest = rest.max(PROVE_EVERY);
            }
            if pause(rest, &stop).await {
                return Ok(());
            }
        }
    }

    /// Checks what is due and shows the last checks, whoever made them.
    async fn prove_recent(&self) -> Result<(), StoreError> {
        let db = self.repair.database.reader();
        let today = UtcDay::of(self.repair.clock.now()).0;
        let days = today.saturating_sub(DAYS - 1)..=today;
        let known = store::proof::load(db, days.clone()).await?;
        for day in days.clone() {
            let now = self.repair.clock.now();
            let is_due = known.get(&day).is_none_or(|(checked_at, _)| now.since(*checked_at) >= PROVE_EVERY);
            // Two replicas may do so at once, which costs time and nothing else.
            if is_due {
                let (_, proof) = self.repair.prove(UtcDay(day)).await?;
                report(day, &proof);
            }
        }
        let proofs: Vec<_> = store::proof::load(db, days).await?.into_values().collect();
        self.metrics.proofs(&proofs);
        Ok(())
    }
}

fn report(day: i32, proof: &Proof) {
    for table in proof.tables.iter().filter(|table| !table.differences.is_empty()) {
        tracing::error!(usage.day = %UtcDay(day), usage.table = table.table, usage.differences = ?table.differences,
            "the sums differ from what they are the sum of; see docs/usage-repair.md");
    }
}

/// True: the stop came first.
async fn pause(time: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(time) => false,
        () = stop.cancelled() => true,
    }
}
