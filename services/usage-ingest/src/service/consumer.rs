//! From the stream into the ledger: gather, commit, acknowledge, tell.
//!
//! The order is the guarantee: a message is acknowledged only after everything in it is committed, and the watermark is
//! told only after that. A process that dies at any point leaves messages unacknowledged; they come again and are found
//! to be booked. A watermark that nobody heard can be asked for.

use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Duration};

use anyhow::Context as _;
use futures_util::future::OptionFuture;
use maas_bus::{BusError, Consumer, ConsumerSpec, Message, SharedBus};
use maas_events::{
    topic::{USAGE_STREAM, USAGE_SUBJECT_PREFIX, WATERMARK_SUBJECT},
    usage::{Watermark, Watermarks},
};
use prost::Message as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::writer::{WriteEnd, Writer};
use crate::{domain::received::Entry, events::entries_of, settings::UsageIngestSettings};

pub const CONSUMER: &str = "usage-ingest";
/// Longer than a batch takes on a slow day, so that only a process in trouble gets its messages delivered elsewhere.
const ACK_WAIT: Duration = Duration::from_secs(30);
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// The most events of a batch that grew while another one was committed; its last message may bring up to 255 more.
/// The sums of one transaction are sure to fit their columns up to here.
const MOST_EVENTS: usize = 8_000;

enum Progress {
    Going,
    Stopped,
}

pub struct UsageConsumer {
    pub bus: SharedBus,
    pub writer: Writer,
    pub settings: UsageIngestSettings,
}

/// The durable consumer that all replicas share.
pub fn consumer_spec(settings: &UsageIngestSettings) -> ConsumerSpec {
    ConsumerSpec {
        stream: USAGE_STREAM,
        name: CONSUMER,
        subject: format!("{USAGE_SUBJECT_PREFIX}.>"),
        ack_wait: ACK_WAIT,
        // Messages, of all replicas together: in messages of one event each, a batch being committed and one on its way.
        // What they take in memory is bounded in bytes, by the bus.
        max_in_flight: settings.batch_events.saturating_mul(2),
    }
}

/// What is gathered for the next transaction.
struct Batch {
    messages: Vec<Message>,
    entries: Vec<Entry>,
    began: Instant,
    last: Instant,
}

impl UsageConsumer {
    /// Runs until the stop, which it obeys between batches and while a batch is held.
    ///
    /// While a batch is being committed the next one stays open and grows, so that a backlog is written in larger
    /// transactions.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Some(mut consumer) = self.subscribe(&stop).await? else { return Ok(()) };
        self.writer.check.set_ok();
        let mut batch = Batch::new();
        let mut writing = pin!(OptionFuture::from(None));
        let mut is_writing = false;
        loop {
            tokio::select! {
                biased;
                // What is being committed is waited for; what is only gathered comes again.
                () = stop.cancelled(), if !is_writing => return Ok(()),
                end = &mut writing, if is_writing => {
                    is_writing = false;
                    if matches!(end, Some(Progress::Stopped)) {
                        return Ok(());
                    }
                }
                () = tokio::time::sleep_until(self.closing_time(&batch)), if !is_writing && !batch.is_empty() => {
                    let closed = std::mem::replace(&mut batch, Batch::new());
                    writing.set(OptionFuture::from(Some(self.finish(closed, &stop))));
                    is_writing = true;
                }
                message = consumer.next(), if batch.entries.len() < MOST_EVENTS => {
                    self.add(message.context("the bus was closed")?, &mut batch);
                }
            }
        }
    }

    /// Commits, acknowledges and tells, in this order.
    async fn finish(&self, batch: Batch, stop: &CancellationToken) -> Progress {
        match self.writer.write(batch.entries, stop).await {
            WriteEnd::Written(committed) => {
                acknowledge(batch.messages).await;
                self.tell(committed.into_iter().flat_map(|part| part.watermarks).collect()).await;
                Progress::Going
            }
            WriteEnd::Stopped => Progress::Stopped,
        }
    }

    /// When the batch is full, old enough, or nothing more has come for a while.
    fn closing_time(&self, batch: &Batch) -> Instant {
        if batch.entries.len() >= self.settings.batch_events {
            return batch.began;
        }
        (batch.began + self.settings.batch_time.get()).min(batch.last + self.settings.linger.get())
    }

    /// `None`: stopped before the bus was there.
    async fn subscribe(&self, stop: &CancellationToken) -> anyhow::Result<Option<Consumer>> {
        loop {
            match self.bus.consume(consumer_spec(&self.settings)).await {
                Ok(consumer) => return Ok(Some(consumer)),
                Err(BusError::Unavailable(reason)) => {
                    self.writer.check.set_failed("the usage stream cannot be reached");
                    tracing::warn!(error.message = reason, "the usage stream cannot be reached, trying again");
                }
                Err(error) => return Err(error).context("the usage stream cannot be consumed"),
            }
            tokio::select! {
                () = tokio::time::sleep(RECONNECT_PAUSE) => {}
                () = stop.cancelled() => return Ok(None),
            }
        }
    }

    fn add(&self, message: Message, batch: &mut Batch) {
        self.writer.metrics.delivered(message.pending, message.deliveries > 1);
        batch.last = Instant::now();
        if batch.is_empty() {
            batch.began = batch.last;
        }
        batch.entries.extend(entries_of(&message, self.writer.clock.now()));
        batch.messages.push(message);
    }

    async fn tell(&self, watermarks: BTreeMap<Arc<str>, Watermark>) {
        if watermarks.is_empty() {
            return;
        }
        let told_at_ms = self.writer.clock.now().unix_ms();
        let told = Watermarks { sources: watermarks.into_values().collect(), told_at_ms };
        if let Err(error) = self.bus.broadcast(WATERMARK_SUBJECT, told.encode_to_vec().into()).await {
            tracing::debug!(error.message = %error, "a watermark was not told; it can be asked for");
        }
    }
}

impl Batch {
    fn new() -> Self {
        let now = Instant::now();
        Self { messages: Vec::new(), entries: Vec::new(), began: now, last: now }
    }

    /// A message may have no entries, and has to be acknowledged all the same.
    fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

async fn acknowledge(messages: Vec<Message>) {
    for message in messages {
        if let Err(error) = message.ack().await {
            tracing::debug!(error.message = %error, "a message was not acknowledged; it will come again");
        }
    }
}
