//! Carries settled events from the journal to the bus, and forgets what is committed.
//!
//! Guarantee: every settled record is delivered at least once, in batches that keep their source and sequence; a
//! record leaves the journal only under the committed watermark. A retry repeats the message with its id; a resend,
//! after a gap that does not close by itself, uses a new id, since the stream would drop the old one as a duplicate.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use maas_bus::SharedBus;
use maas_events::{
    Delivery, SourceId,
    topic::{WATERMARK_QUERY_SUBJECT, WATERMARK_SUBJECT, usage_subject},
    usage::{Close, EventBatch, Heartbeat, UsageEvent, UsageMessage, WatermarkQuery, Watermarks, usage_message::Body},
};
use maas_journal::{Journal, SettledRecord};
use maas_runtime::process::Process;
use maas_types::Clock;
use prost::Message as _;
use tokio_util::sync::CancellationToken;

use crate::metrics::ProxyMetrics;

/// One message holds at most so many events, and an event waits at most so long for company.
const MOST_EVENTS: usize = 256;
const LOOK_EVERY: Duration = Duration::from_millis(50);
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// How long shipped events may stay uncommitted before they are asked for and sent again.
const RESEND_AFTER: Duration = Duration::from_secs(10);
/// How long the end of a drained process may wait for the last commit; the journal keeps what is left.
const LAST_WORDS: Duration = Duration::from_secs(5);
const ASK_WITHIN: Duration = Duration::from_secs(2);
/// There is one partition so far.
const PARTITION: u32 = 0;

pub struct Shipper {
    journal: Journal,
    bus: SharedBus,
    metrics: Arc<ProxyMetrics>,
    clock: Arc<dyn Clock>,
    sources: Mutex<HashMap<SourceId, Progress>>,
}

/// How far a source is.
struct Progress {
    /// A batch whose delivery has not succeeded yet; it goes first, with its id.
    unsent: Option<Batch>,
    shipped_through: u64,
    committed_through: u64,
    /// When the watermark last moved, or something was shipped with nothing outstanding.
    moved_at: Instant,
    resends: u32,
    heartbeats: u64,
    closed: bool,
}

#[derive(Clone)]
struct Batch {
    first: u64,
    last: u64,
    id: String,
    payload: Bytes,
    events: u64,
}

impl Shipper {
    pub fn new(journal: Journal, bus: SharedBus, metrics: Arc<ProxyMetrics>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { journal, bus, metrics, clock, sources: Mutex::default() })
    }

    /// Spawns the tasks: shipping, heartbeats, and listening for the watermark.
    pub fn spawn(self: &Arc<Self>, process: &Process) {
        let soft_stop = process.lifecycle.soft_stop().clone();
        let shipper = self.clone();
        process.lifecycle.spawn("usage shipping", async move {
            shipper.run(&soft_stop).await;
            Ok(())
        });
        let shipper = self.clone();
        let hard_stop = process.lifecycle.hard_stop().clone();
        let soft_stop = process.lifecycle.soft_stop().clone();
        process.lifecycle.spawn("usage watermark", async move {
            let mut watermarks = shipper.bus.listen(WATERMARK_SUBJECT).await?;
            loop {
                tokio::select! {
                    heard = watermarks.recv() => match heard {
                        Some(payload) => shipper.heard(payload),
                        None => return Ok(()),
                    },
                    () = hard_stop.cancelled() => return Ok(()),
                    // The shipping task needs it to the end of the drain.
                    () = shipper.all_forgotten(&soft_stop) => return Ok(()),
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
            let sources = self.journal.sources();
            futures_util::future::join_all(sources.iter().map(|source| self.ship(*source))).await;
            if heartbeat_at.elapsed() >= HEARTBEAT_EVERY {
                heartbeat_at = Instant::now();
                self.journal.refresh_free_space();
                futures_util::future::join_all(sources.iter().map(|source| self.heartbeat(*source))).await;
            }
            if soft_stop.is_cancelled() && self.all_sealed() {
                let since = *sealed_at.get_or_insert_with(Instant::now);
                if self.journal.sources().is_empty() || since.elapsed() >= LAST_WORDS {
                    return;
                }
            }
        }
    }

    /// Sends everything of a source that is settled and was not sent, then what must be sent again.
    async fn ship(&self, source: SourceId) {
        loop {
            let batch = match self.progress(source, |progress| progress.unsent.clone()) {
                Some(batch) => batch,
                None => match self.journal.take_settled(source, MOST_EVENTS) {
                    Ok(records) if records.is_empty() => break,
                    Ok(records) => batch_of(source, records, 0),
                    Err(error) => {
                        tracing::error!(source = %source, error = %error, "the journal cannot be read");
                        return;
                    }
                },
            };
            let delivered = self.deliver(source, &batch).await;
            self.progress(source, |progress| {
                if delivered {
                    if progress.shipped_through <= progress.committed_through {
                        progress.moved_at = Instant::now();
                    }
                    progress.shipped_through = progress.shipped_through.max(batch.last);
                    progress.unsent = None;
                } else {
                    progress.unsent = Some(batch.clone());
                }
            });
            if !delivered {
                return;
            }
            self.metrics.events_published.inc_by(batch.events);
        }
        self.resend_if_stuck(source).await;
        self.close_if_ended(source).await;
    }

    async fn deliver(&self, source: SourceId, batch: &Batch) -> bool {
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
        match self.bus.deliver(delivery).await {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(source = %source, error = %error, "usage waits in the journal");
                false
            }
        }
    }

    /// Shipped events that stay uncommitted: first ask how far ingest is, then send them again under a new id.
    async fn resend_if_stuck(&self, source: SourceId) {
        let stuck = |progress: &mut Progress| {
            progress.shipped_through > progress.committed_through && progress.moved_at.elapsed() >= RESEND_AFTER
        };
        if !self.progress(source, stuck) {
            return;
        }
        self.ask_for_watermark(source).await;
        if !self.progress(source, stuck) {
            return;
        }
        let (first, last, attempt) = self.progress(source, |progress| {
            progress.resends += 1;
            progress.moved_at = Instant::now();
            (progress.committed_through + 1, progress.shipped_through, progress.resends)
        });
        let last = last.min(first + MOST_EVENTS as u64 - 1);
        tracing::warn!(source = %source, first, last, "usage events are not committed and are sent again");
        match self.journal.settled_range(source, first, last) {
            Ok(records) if records.is_empty() => {}
            Ok(records) => {
                let batch = batch_of(source, records, attempt);
                if self.deliver(source, &batch).await {
                    self.metrics.events_replayed.inc_by(batch.events);
                }
            }
            Err(error) => tracing::error!(source = %source, error = %error, "the journal cannot be read"),
        }
    }

    async fn ask_for_watermark(&self, source: SourceId) {
        let query = WatermarkQuery { sources: vec![source.to_string()] };
        if let Ok(answer) = self.bus.ask(WATERMARK_QUERY_SUBJECT, query.encode_to_vec().into(), ASK_WITHIN).await {
            self.heard(answer);
        }
    }

    /// A source that will say no more says so once, and is forgotten when all of it is committed.
    async fn close_if_ended(&self, source: SourceId) {
        let Some(status) = self.journal.status(source) else { return };
        if !status.sealed || status.open_requests > 0 {
            return;
        }
        let (closed, committed) = self
            .progress(source, |progress| (std::mem::replace(&mut progress.closed, true), progress.committed_through));
        if !closed && status.last_sequence > 0 {
            let close = Body::Close(Close { last_sequence: status.last_sequence });
            if !self.tell(source, format!("{source}:close"), close).await {
                self.progress(source, |progress| progress.closed = false);
                return;
            }
        }
        if committed >= status.last_sequence {
            self.forget(source, committed);
        }
    }

    async fn heartbeat(&self, source: SourceId) {
        let Some(status) = self.journal.status(source) else { return };
        // A source that has nothing to tell is not announced.
        if status.sealed || (status.last_sequence == 0 && status.open_requests == 0) {
            return;
        }
        let number = self.progress(source, |progress| {
            progress.heartbeats += 1;
            progress.heartbeats
        });
        let heartbeat = Heartbeat {
            last_sequence: status.last_sequence,
            open_requests: status.open_requests as u64,
            oldest_open_admission_ms: status.oldest_open_admission.map_or(0, |time| time.unix_ms()),
            sent_at_ms: self.clock.now().unix_ms(),
        };
        // One that is lost is followed by the next.
        self.tell(source, format!("{source}:h{number}"), Body::Heartbeat(heartbeat)).await;
    }

    async fn tell(&self, source: SourceId, id: String, body: Body) -> bool {
        let message = UsageMessage { source: source.to_string(), body: Some(body) };
        let delivery = Delivery::Message {
            subject: usage_subject(PARTITION),
            id,
            headers: vec![("Maas-Source", source.to_string())],
            payload: message.encode_to_vec().into(),
        };
        self.bus.deliver(delivery).await.is_ok()
    }

    /// Takes in watermarks; those of other proxies are not ours to know.
    fn heard(&self, payload: Bytes) {
        let Ok(watermarks) = Watermarks::decode(payload) else { return };
        for watermark in watermarks.sources {
            let Ok(source) = watermark.source.parse::<SourceId>() else { continue };
            if self.journal.status(source).is_none() {
                continue;
            }
            self.progress(source, |progress| {
                if watermark.committed_through != progress.committed_through {
                    progress.moved_at = Instant::now();
                }
                progress.committed_through = watermark.committed_through;
            });
            self.forget(source, watermark.committed_through);
        }
    }

    fn forget(&self, source: SourceId, committed_through: u64) {
        if let Err(error) = self.journal.forget(source, committed_through) {
            tracing::warn!(source = %source, error = %error, "committed segments stay in the journal for now");
        }
        if self.journal.status(source).is_none() {
            self.sources.lock().unwrap_or_else(PoisonError::into_inner).remove(&source);
        }
    }

    fn progress<T>(&self, source: SourceId, use_it: impl FnOnce(&mut Progress) -> T) -> T {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        use_it(sources.entry(source).or_insert_with(|| Progress {
            unsent: None,
            shipped_through: 0,
            committed_through: 0,
            moved_at: Instant::now(),
            resends: 0,
            heartbeats: 0,
            closed: false,
        }))
    }

    fn all_sealed(&self) -> bool {
        let status = |source: &SourceId| self.journal.status(*source);
        self.journal.sources().iter().filter_map(status).all(|status| status.sealed)
    }

    /// Ends some time after the soft stop, when nothing needs the watermark any more.
    async fn all_forgotten(&self, soft_stop: &CancellationToken) {
        soft_stop.cancelled().await;
        let mut look = tokio::time::interval(LOOK_EVERY);
        let mut sealed_at: Option<Instant> = None;
        loop {
            look.tick().await;
            if self.all_sealed() {
                let since = *sealed_at.get_or_insert_with(Instant::now);
                if self.journal.sources().is_empty() || since.elapsed() >= LAST_WORDS {
                    return;
                }
            }
        }
    }
}

/// `attempt` is 0 for the first sending, and the number of the resend else.
fn batch_of(source: SourceId, records: Vec<SettledRecord>, attempt: u32) -> Batch {
    let first = records.first().map_or(0, |record| record.sequence);
    let last = records.last().map_or(0, |record| record.sequence);
    let count = records.len() as u64;
    // What the journal holds was encoded by this program; what is damaged all the same was quarantined there.
    let events = records.into_iter().filter_map(|record| {
        let event = UsageEvent::decode(record.payload);
        event.inspect_err(|error| tracing::error!(error = %error, "a journal record is no usage event")).ok()
    });
    let message =
        UsageMessage { source: source.to_string(), body: Some(Body::Events(EventBatch { events: events.collect() })) };
    let suffix = if attempt == 0 { String::new() } else { format!(":r{attempt}") };
    Batch {
        first,
        last,
        id: format!("{source}:{first}-{last}{suffix}"),
        payload: message.encode_to_vec().into(),
        events: count,
    }
}
