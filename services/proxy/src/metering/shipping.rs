//! Carries settled events from the journal to the bus, and has the journal tidied.
//!
//! Guarantee: every settled record is delivered at least once, in batches that keep their source and sequence; a
//! record leaves the journal only under the committed watermark ([`super::watermark`]). A retry repeats the message with
//! its id; a resend, after a gap that does not close by itself, uses a new id, since the stream would drop the old one as
//! a duplicate. What fails is tried again for as long as the process lives, and by the next one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::{Duration, Instant},
};

use maas_bus::SharedBus;
use maas_events::{
    Delivery, SourceId,
    topic::{WATERMARK_SUBJECT, usage_subject},
};
use maas_journal::{Journal, JournalError, SourceStatus};
use maas_runtime::{process::Process, readiness::CheckHandle};
use maas_types::Clock;
use tokio_util::sync::CancellationToken;

use super::{
    batch::{Batch, MOST_EVENTS, batches_of},
    delivery::{DELIVER_WITHIN, Deliverer},
    progress::Progress,
    tidying::{keep_tidy, tidy},
    watermark::is_over,
};
use crate::metrics::ProxyMetrics;

/// Between two tries to hear of watermarks, while the bus is not there.
const LISTEN_AGAIN: Duration = Duration::from_millis(500);
/// How often is looked whether there is something to ship. Short, so that what is done at once is little: on a busy core
/// a request waits for it.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// An event waits at most so long for company,
const COMPANY_WITHIN: Duration = Duration::from_millis(50);
/// and this is company enough.
const ENOUGH_COMPANY: u64 = 64;
/// Messages of a source that wait for their acknowledgement at the same time: a backlog is as fast as the bus then, and
/// not as its answers. At most some 4 MiB.
const IN_FLIGHT: usize = 8;
/// How often that many go out before heartbeats and newly found sources have their turn.
const MOST_FLIGHTS_PER_LOOK: usize = 8;
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// How long the end of a drained process may wait for the last commit; the journal keeps what is left.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// There is one partition so far.
pub(super) const PARTITION: u32 = 0;

pub struct Shipper {
    pub(super) journal: Journal,
    pub(super) bus: SharedBus,
    pub(super) deliverer: Deliverer,
    pub(super) metrics: Arc<ProxyMetrics>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) checks: Checks,
    pub(super) clock_is_off: AtomicBool,
    pub(super) resend_after: Duration,
    sources: Mutex<HashMap<SourceId, Progress>>,
}

/// What can make the proxy not ready. Nothing does before usage-ingest has said so.
pub(super) struct Checks {
    pub journal: CheckHandle,
    pub clock: CheckHandle,
}

impl Shipper {
    pub fn new(
        journal: Journal,
        bus: SharedBus,
        metrics: Arc<ProxyMetrics>,
        process: &Process,
        resend_after: Duration,
    ) -> Arc<Self> {
        let readiness = process.readiness.scoped("proxy");
        let checks = Checks { journal: readiness.register("journal"), clock: readiness.register("clock") };
        checks.journal.set_ok();
        checks.clock.set_ok();
        Arc::new(Self {
            journal,
            deliverer: Deliverer::new(bus.clone(), DELIVER_WITHIN),
            bus,
            metrics,
            clock: process.clock.clone(),
            checks,
            clock_is_off: AtomicBool::new(false),
            resend_after,
            sources: Mutex::default(),
        })
    }

    /// Spawns the tasks: shipping, heartbeats, listening and asking for the watermark, and tidying the journal.
    pub fn spawn(self: &Arc<Self>, process: &Process) {
        // A task of its own: the journal grows while a delivery hangs.
        let (journal, soft_stop) = (self.journal.clone(), process.lifecycle.soft_stop().clone());
        process.lifecycle.spawn("journal tidying", async move {
            keep_tidy(&journal, &soft_stop).await;
            Ok(())
        });
        let soft_stop = process.lifecycle.soft_stop().clone();
        let shipper = self.clone();
        process.lifecycle.spawn("usage shipping", async move {
            shipper.run(&soft_stop).await;
            Ok(())
        });
        let soft_stop = process.lifecycle.soft_stop().clone();
        let shipper = self.clone();
        process.lifecycle.spawn("usage questions", async move {
            shipper.keep_asking(&soft_stop).await;
            Ok(())
        });
        let shipper = self.clone();
        let hard_stop = process.lifecycle.hard_stop().clone();
        let soft_stop = process.lifecycle.soft_stop().clone();
        process.lifecycle.spawn("usage watermark", async move {
            // One for all turns: what is heard of other proxies must not begin its wait anew.
            let mut all_committed = std::pin::pin!(shipper.all_committed(&soft_stop));
            // The bus may come later than the proxy.
            let mut watermarks = loop {
                if let Ok(watermarks) = shipper.bus.listen(WATERMARK_SUBJECT).await {
                    break watermarks;
                }
                tokio::select! {
                    () = tokio::time::sleep(LISTEN_AGAIN) => {}
                    () = hard_stop.cancelled() => return Ok(()),
                    () = &mut all_committed => return Ok(()),
                }
            };
            loop {
                tokio::select! {
                    heard = watermarks.recv() => match heard {
                        Some(payload) => shipper.heard(payload),
                        None => return Ok(()),
                    },
                    () = hard_stop.cancelled() => return Ok(()),
                    // The shipping task needs it to the end of the drain.
                    () = &mut all_committed => return Ok(()),
                }
            }
        });
    }

    async fn run(&self, soft_stop: &CancellationToken) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut heartbeat_at = Instant::now();
        let mut sealed_at = None;
        loop {
            look.tick().await;
            let sources = self.busy_sources();
            futures_util::future::join_all(sources.iter().map(|(source, status)| self.ship(*source, status))).await;
            if heartbeat_at.elapsed() >= HEARTBEAT_EVERY {
                heartbeat_at = Instant::now();
                futures_util::future::join_all(sources.iter().map(|(source, _)| self.heartbeat(*source))).await;
                self.forget_gone();
            }
            if soft_stop.is_cancelled() && self.may_end(&mut sealed_at) {
                // What is committed is not to be shipped again by the next process.
                let journal = self.journal.clone();
                tidy(journal).await;
                return;
            }
        }
    }

    /// Those of which something is open, or not committed, or not said.
    fn busy_sources(&self) -> Vec<(SourceId, SourceStatus)> {
        let status = |source| Some((source, self.journal.status(source)?));
        let sources = self.journal.sources().into_iter().filter_map(status);
        sources.filter(|(_, status)| !is_over(status)).collect()
    }

    /// Sends what of a source is settled and was not sent, then what must be sent again.
    async fn ship(&self, source: SourceId, status: &SourceStatus) {
        if !self.is_due(source, status) {
            return;
        }
        self.ask_for_earlier(source).await;
        let mut all_sent = false;
        for _ in 0..MOST_FLIGHTS_PER_LOOK {
            let flight = match self.next_flight(source) {
                Ok(flight) => flight,
                Err(error) => {
                    tracing::error!(source = %source, error = %error, "the journal cannot be read");
                    return;
                }
            };
            let Some(last) = flight.last() else {
                all_sent = true;
                break;
            };
            let delivered = self.deliver_all(source, &flight).await;
            self.note_shipped(source, delivered);
            if delivered < flight.len() {
                // While the bus takes nothing it hands out nothing either: that time is no sign of a loss.
                self.progress(source, |progress| progress.moved_at = Instant::now());
                return;
            }
            // Under load something has always settled meanwhile: it waits for company until the next look.
            if flight.len() < IN_FLIGHT && last.events < MOST_EVENTS as u64 {
                break;
            }
            // A backlog goes out beside live traffic, which is waiting for this core.
            std::thread::yield_now();
            tokio::task::yield_now().await;
        }
        self.resend_if_stuck(source).await;
        if all_sent {
            self.close_if_ended(source).await;
        }
    }

    /// Whether enough waits, or for long enough.
    fn is_due(&self, source: SourceId, status: &SourceStatus) -> bool {
        self.progress(source, |progress| {
            let waiting = status.last_sequence.saturating_sub(progress.shipped_through);
            let is_due = waiting >= ENOUGH_COMPANY || progress.looked_at.elapsed() >= COMPANY_WITHIN;
            if is_due {
                progress.looked_at = Instant::now();
            }
            is_due
        })
    }

    /// The last boot may not have known how far it was committed.
    async fn ask_for_earlier(&self, source: SourceId) {
        let is_earlier = source.boot != self.journal.boot();
        if is_earlier && !self.progress(source, |progress| std::mem::replace(&mut progress.was_asked_for, true)) {
            self.ask_for_watermarks(&[source]).await;
        }
    }

    /// The first batches that wait; they stay the first until they are delivered.
    fn next_flight(&self, source: SourceId) -> Result<Vec<Batch>, JournalError> {
        while self.progress(source, |progress| progress.unsent.len()) < IN_FLIGHT {
            let mut batches = batches_of(source, self.journal.take_settled(source, MOST_EVENTS)?, 0);
            if batches.is_empty() {
                break;
            }
            let is_full = batches.back().is_some_and(|batch| batch.events == MOST_EVENTS as u64);
            self.progress(source, |progress| progress.unsent.append(&mut batches));
            if !is_full {
                break;
            }
        }
        Ok(self.progress(source, |progress| progress.unsent.iter().take(IN_FLIGHT).cloned().collect()))
    }

    /// Hands the batches over side by side, since each waits for its acknowledgement. How many of the first were taken;
    /// what was taken behind one that was not is sent again with it, under its id.
    async fn deliver_all(&self, source: SourceId, flight: &[Batch]) -> usize {
        let delivered = futures_util::future::join_all(flight.iter().map(|batch| self.deliver(source, batch))).await;
        delivered.into_iter().take_while(|delivered| *delivered).count()
    }

    fn note_shipped(&self, source: SourceId, batches: usize) {
        let events = self.progress(source, |progress| {
            if progress.shipped_through <= progress.committed_through {
                progress.moved_at = Instant::now();
            }
            let shipped = progress.unsent.drain(..batches.min(progress.unsent.len()));
            let (through, events) = shipped.fold((0, 0), |(_, events), batch| (batch.last, events + batch.events));
            progress.shipped_through = progress.shipped_through.max(through);
            events
        });
        self.metrics.events_published.inc_by(events);
    }

    pub(super) async fn deliver(&self, source: SourceId, batch: &Batch) -> bool {
        let headers = vec![
            ("Maas-Source", source.to_string()),
            ("Maas-First-Sequence", batch.first.to_string()),
            ("Maas-Last-Sequence", batch.last.to_string()),
        ];
        let delivery = Delivery::Message {
            subject: usage_subject(PARTITION),
            id: batch.id.clone(),
            headers,
            payload: batch.payload.clone(),
        };
        self.deliverer.deliver(delivery).await
    }

    pub(super) fn progress<T>(&self, source: SourceId, use_it: impl FnOnce(&mut Progress) -> T) -> T {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let committed_through = || self.journal.status(source).map_or(0, |status| status.committed_through);
        use_it(sources.entry(source).or_insert_with(|| Progress::new(committed_through())))
    }

    /// Lets go of sources that the journal has deleted.
    fn forget_gone(&self) {
        let known = self.journal.sources();
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.retain(|source, _| known.contains(source));
    }

    /// Whether nothing is left to be told, or the time for that is over.
    fn may_end(&self, sealed_at: &mut Option<Instant>) -> bool {
        let busy = self.busy_sources();
        if busy.iter().any(|(_, status)| !status.sealed) {
            return false;
        }
        let since = *sealed_at.get_or_insert_with(Instant::now);
        busy.is_empty() || since.elapsed() >= LAST_WORDS
    }

    /// Ends some time after the soft stop, when nothing needs the watermark any more.
    async fn all_committed(&self, soft_stop: &CancellationToken) {
        soft_stop.cancelled().await;
        let mut look = tokio::time::interval(LOOK_EVERY);
        let mut sealed_at = None;
        loop {
            look.tick().await;
            if self.may_end(&mut sealed_at) {
                return;
            }
        }
    }
}
