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
    usage::{Close, Heartbeat, UsageMessage, WatermarkQuery, Watermarks, usage_message::Body},
};
use maas_journal::{Journal, JournalError};
use maas_runtime::process::Process;
use maas_types::Clock;
use prost::Message as _;
use tokio_util::sync::CancellationToken;

use super::{
    batch::{Batch, MOST_EVENTS, batches_of},
    progress::Progress,
};
use crate::metrics::ProxyMetrics;

/// An event waits at most so long for company.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How many messages of a source go out before heartbeats and newly found sources have their turn.
const MOST_BATCHES_PER_LOOK: usize = 64;
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
const LOOK_AT_SPACE_EVERY: Duration = Duration::from_secs(1);
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
    resend_after: Duration,
    sources: Mutex<HashMap<SourceId, Progress>>,
}

impl Shipper {
    pub fn new(
        journal: Journal,
        bus: SharedBus,
        metrics: Arc<ProxyMetrics>,
        clock: Arc<dyn Clock>,
        resend_after: Duration,
    ) -> Arc<Self> {
        Arc::new(Self { journal, bus, metrics, clock, resend_after, sources: Mutex::default() })
    }

    /// Spawns the tasks: shipping, heartbeats, listening for the watermark, and a look at the free space.
    pub fn spawn(self: &Arc<Self>, process: &Process) {
        // A task of its own: the journal grows while a delivery hangs.
        let (journal, soft_stop) = (self.journal.clone(), process.lifecycle.soft_stop().clone());
        process.lifecycle.spawn("journal space", async move {
            let mut look = tokio::time::interval(LOOK_AT_SPACE_EVERY);
            loop {
                tokio::select! {
                    _ = look.tick() => journal.refresh_free_space(),
                    () = soft_stop.cancelled() => return Ok(()),
                }
            }
        });
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
            // One for all turns: what is heard of other proxies must not begin its wait anew.
            let mut all_forgotten = std::pin::pin!(shipper.all_forgotten(&soft_stop));
            loop {
                tokio::select! {
                    heard = watermarks.recv() => match heard {
                        Some(payload) => shipper.heard(payload),
                        None => return Ok(()),
                    },
                    () = hard_stop.cancelled() => return Ok(()),
                    // The shipping task needs it to the end of the drain.
                    () = &mut all_forgotten => return Ok(()),
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
        let mut all_sent = false;
        for _ in 0..MOST_BATCHES_PER_LOOK {
            let batch = match self.next_batch(source) {
                Ok(Some(batch)) => batch,
                Ok(None) => {
                    all_sent = true;
                    break;
                }
                Err(error) => {
                    tracing::error!(source = %source, error = %error, "the journal cannot be read");
                    return;
                }
            };
            if !self.deliver(source, &batch).await {
                return;
            }
            let more = self.progress(source, |progress| {
                if progress.shipped_through <= progress.committed_through {
                    progress.moved_at = Instant::now();
                }
                progress.shipped_through = progress.shipped_through.max(batch.last);
                progress.unsent.pop_front();
                !progress.unsent.is_empty()
            });
            self.metrics.events_published.inc_by(batch.events);
            // Under load something has always settled meanwhile: it waits for company until the next look.
            if !more && batch.events < MOST_EVENTS as u64 {
                break;
            }
        }
        self.resend_if_stuck(source).await;
        if all_sent {
            self.close_if_ended(source).await;
        }
    }

    /// The first batch that waits; it stays the first until it is delivered.
    fn next_batch(&self, source: SourceId) -> Result<Option<Batch>, JournalError> {
        if let Some(batch) = self.progress(source, |progress| progress.unsent.front().cloned()) {
            return Ok(Some(batch));
        }
        let batches = batches_of(source, self.journal.take_settled(source, MOST_EVENTS)?, 0);
        let first = batches.front().cloned();
        self.progress(source, |progress| progress.unsent = batches);
        Ok(first)
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

    /// Shipped events that stay uncommitted: first ask how far ingest is, then send them again under a new id. While
    /// nobody answers, nobody commits either, and what the bus has taken is waiting there.
    async fn resend_if_stuck(&self, source: SourceId) {
        if !self.progress(source, |progress| progress.is_stuck(self.resend_after)) {
            return;
        }
        if !self.ask_for_watermark(source).await {
            self.progress(source, |progress| progress.moved_at = Instant::now());
            return;
        }
        if !self.progress(source, |progress| progress.is_stuck(self.resend_after)) {
            return;
        }
        let (first, last) = self.progress(source, Progress::next_gap);
        let records = match self.journal.settled_range(source, first, last, MOST_EVENTS) {
            Ok(records) => records,
            Err(error) => {
                tracing::error!(source = %source, error = %error, "the journal cannot be read");
                return;
            }
        };
        let resent = records.last().map(|record| record.sequence);
        match resent {
            Some(last) => {
                tracing::warn!(source = %source, first, last, "usage events are not committed and are sent again")
            }
            None => {
                tracing::error!(source = %source, first, last, "usage events are not committed and not in the journal")
            }
        }
        let attempt = self.progress(source, |progress| progress.note_resend(last, resent));
        for batch in batches_of(source, records, attempt) {
            if !self.deliver(source, &batch).await {
                return;
            }
            self.metrics.events_replayed.inc_by(batch.events);
        }
    }

    /// False if nobody answers.
    async fn ask_for_watermark(&self, source: SourceId) -> bool {
        let query = WatermarkQuery { sources: vec![source.to_string()] };
        let answer = self.bus.ask(WATERMARK_QUERY_SUBJECT, query.encode_to_vec().into(), ASK_WITHIN).await;
        match answer.ok().and_then(|answer| Watermarks::decode(answer).ok()) {
            Some(watermarks) => {
                self.take_in(watermarks);
                true
            }
            // Nobody there, or ingest cannot read its own books: sending again would not help.
            None => false,
        }
    }

    /// A source that will say no more says so once, and is forgotten when all of it is committed.
    async fn close_if_ended(&self, source: SourceId) {
        let Some(status) = self.journal.status(source) else { return };
        if !status.sealed || status.open_requests > 0 {
            return;
        }
        let (closed, announced) = self.progress(source, |progress| (progress.closed, progress.heartbeats > 0));
        // Of an earlier boot nobody knows here whether it announced itself before its first settlement.
        let known_outside = status.last_sequence > 0 || announced || source.boot != self.journal.boot();
        if !closed && known_outside {
            let close = Body::Close(Close { last_sequence: status.last_sequence });
            if !self.tell(source, format!("{source}:close"), close).await {
                return;
            }
        }
        let committed = self.progress(source, |progress| {
            progress.closed = true;
            progress.committed_through
        });
        if committed >= status.last_sequence {
            self.forget(source, committed);
        }
    }

    async fn heartbeat(&self, source: SourceId) {
        // Read first: a request that is admitted in between must not be older than what this heartbeat vouches for.
        let sent_at = self.clock.now();
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
            sent_at_ms: sent_at.unix_ms(),
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
    pub(super) fn heard(&self, payload: Bytes) {
        match Watermarks::decode(payload) {
            Ok(watermarks) => self.take_in(watermarks),
            Err(error) => tracing::warn!(error = %error, "a watermark cannot be read"),
        }
    }

    fn take_in(&self, watermarks: Watermarks) {
        for watermark in watermarks.sources {
            let Ok(source) = watermark.source.parse::<SourceId>() else { continue };
            let Some(status) = self.journal.status(source) else { continue };
            let closed = self.progress(source, |progress| {
                if watermark.committed_through != progress.committed_through {
                    progress.moved_at = Instant::now();
                }
                progress.committed_through = watermark.committed_through;
                progress.committed_above = watermark.above.iter().map(|range| (range.first, range.last)).collect();
                progress.closed
            });
            // A source that has ended says its last word before it is forgotten.
            if closed || !status.sealed {
                self.forget(source, watermark.committed_through);
            }
        }
    }

    fn forget(&self, source: SourceId, committed_through: u64) {
        let forgotten = self.journal.forget(source, committed_through);
        // A watermark that was heard twice finds nothing left to forget.
        if let Err(error) = forgotten.or_else(|error| match error {
            JournalError::UnknownSource { .. } => Ok(()),
            other => Err(other),
        }) {
            tracing::warn!(source = %source, error = %error, "committed segments stay in the journal for now");
        }
        if self.journal.status(source).is_none() {
            self.sources.lock().unwrap_or_else(PoisonError::into_inner).remove(&source);
        }
    }

    fn progress<T>(&self, source: SourceId, use_it: impl FnOnce(&mut Progress) -> T) -> T {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        use_it(sources.entry(source).or_insert_with(Progress::new))
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
