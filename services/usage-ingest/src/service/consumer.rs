//! From the stream into the ledger: gather, commit, acknowledge, tell.
//!
//! The order is the guarantee: a message is acknowledged only after everything in it is committed, and the watermark is
//! told only after that. A process that dies at any point leaves messages unacknowledged; they come again and are found
//! to be booked. A watermark that nobody heard can be asked for.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
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
        // One batch being committed, and one on its way.
        max_in_flight: settings.batch_events.saturating_mul(2),
    }
}

struct Batch {
    messages: Vec<Message>,
    entries: Vec<Entry>,
}

impl UsageConsumer {
    /// Runs until the stop, which it obeys between batches and while a batch is held.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Some(mut consumer) = self.subscribe(&stop).await? else { return Ok(()) };
        self.writer.check.set_ok();
        loop {
            let first = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                first = consumer.next() => first.context("the bus was closed")?,
            };
            let batch = self.gather(first, &mut consumer).await;
            match self.writer.write(batch.entries, &stop).await {
                WriteEnd::Written(committed) => {
                    acknowledge(batch.messages).await;
                    self.tell(committed.into_iter().flat_map(|part| part.watermarks).collect()).await;
                }
                WriteEnd::Stopped => return Ok(()),
            }
        }
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

    /// Takes what comes without a pause, up to the size and time of a batch.
    async fn gather(&self, first: Message, consumer: &mut Consumer) -> Batch {
        let deadline = Instant::now() + self.settings.batch_time.get();
        let mut batch = Batch { messages: Vec::new(), entries: Vec::new() };
        self.add(first, &mut batch);
        while batch.entries.len() < self.settings.batch_events {
            let pause_ends = deadline.min(Instant::now() + self.settings.linger.get());
            let Ok(Some(message)) = tokio::time::timeout_at(pause_ends, consumer.next()).await else { break };
            self.add(message, &mut batch);
        }
        batch
    }

    fn add(&self, message: Message, batch: &mut Batch) {
        self.writer.metrics.delivered(message.pending, message.deliveries > 1);
        batch.entries.extend(entries_of(&message, self.writer.clock.now()));
        batch.messages.push(message);
    }

    async fn tell(&self, watermarks: BTreeMap<Arc<str>, Watermark>) {
        if watermarks.is_empty() {
            return;
        }
        let told = Watermarks { sources: watermarks.into_values().collect() };
        if let Err(error) = self.bus.broadcast(WATERMARK_SUBJECT, told.encode_to_vec().into()).await {
            tracing::debug!(error.message = %error, "a watermark was not told; it can be asked for");
        }
    }
}

async fn acknowledge(messages: Vec<Message>) {
    for message in messages {
        if let Err(error) = message.ack().await {
            tracing::debug!(error.message = %error, "a message was not acknowledged; it will come again");
        }
    }
}
