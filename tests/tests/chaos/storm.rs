//! What a confused or hostile neighbour could do on the bus: say everything again, say things that are not so.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, bail};
use async_nats::jetstream::{self, context::Context as JetStream, message::PublishMessage, stream::Stream};
use maas_events::topic::{USAGE_STREAM, usage_subject};
use maas_events::usage::{EventBatch, UsageEvent, UsageMessage, usage_message::Body};
use maas_testkit::NatsServer;
use prost::Message as _;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

const CONSUMER: &str = "usage-ingest";
/// Of the stream's messages, the newest.
const MOST_REPEATED: u64 = 2_000;
const CONNECTS_WITHIN: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A connection of our own, not through any link.
pub struct Storm {
    jetstream: JetStream,
    number: u32,
}

/// What was made to be refused, as it will be found in quarantine.
#[derive(Debug, Default)]
pub struct Forged {
    /// In hexadecimal digits.
    pub garbage: BTreeSet<String>,
    pub conflicts: BTreeSet<Uuid>,
}

impl Storm {
    pub async fn connect(nats: &NatsServer) -> anyhow::Result<Self> {
        let client = timeout(CONNECTS_WITHIN, async_nats::connect(nats.url())).await??;
        Ok(Self { jetstream: jetstream::new(client), number: 0 })
    }

    /// Publishes every message again under ids that the server does not know. How many there were.
    pub async fn repeat_stream(&mut self, times: u32) -> anyhow::Result<u64> {
        self.number += 1;
        let mut stream = self.stream().await?;
        let state = stream.info().await?.state.clone();
        let first = state.first_sequence.max(state.last_sequence.saturating_sub(MOST_REPEATED));
        let mut repeated = 0;
        for sequence in first..=state.last_sequence {
            // One that was deleted leaves a hole.
            let Ok(message) = stream.get_raw_message(sequence).await else { continue };
            for copy in 0..times {
                let mut again = PublishMessage::build().payload(message.payload.clone());
                for (name, values) in message.headers.iter().filter(|(name, _)| name.to_string().starts_with("Maas-")) {
                    again = again.header(name.to_string().as_str(), values.first().map_or("", |value| value.as_str()));
                }
                let id = format!("storm-{}-{sequence}-{copy}", self.number);
                self.jetstream.send_publish(message.subject.clone(), again.message_id(id)).await?.await?;
                repeated += 1;
            }
        }
        Ok(repeated)
    }

    pub async fn forget_consumer(&self) -> anyhow::Result<()> {
        self.stream().await?.delete_consumer(CONSUMER).await?;
        Ok(())
    }

    /// Of the usage stream; the server gives a number again when its store is older than that.
    pub async fn last_sequence(&self) -> anyhow::Result<u64> {
        Ok(self.stream().await?.info().await?.state.last_sequence)
    }

    /// Unreadable messages, and an event that `is_booked` with other tokens under its id.
    pub async fn forge(&mut self, is_booked: impl Fn(Uuid) -> bool) -> anyhow::Result<Forged> {
        let mut forged = Forged::default();
        for number in 0..3 {
            let payload = format!("no usage message {number}").into_bytes();
            forged.garbage.insert(payload.iter().map(|byte| format!("{byte:02x}")).collect());
            self.publish(payload).await?;
        }
        let (source, mut event) = self.some_event(is_booked).await?;
        event.tokens.get_or_insert_default().output += 1;
        forged.conflicts.insert(Uuid::from_slice(&event.id)?);
        let batch = EventBatch { events: vec![event] };
        self.publish(UsageMessage { source, body: Some(Body::Events(batch)) }.encode_to_vec()).await?;
        Ok(forged)
    }

    /// Until the consumer has nothing left, neither to deliver nor to acknowledge.
    pub async fn wait_until_consumed(&self, within: Duration) -> anyhow::Result<()> {
        let stream = self.stream().await?;
        let mut last = String::new();
        let consumed = timeout(within, async {
            loop {
                match stream.consumer_info(CONSUMER).await {
                    Ok(info) if info.num_pending == 0 && info.num_ack_pending == 0 => return,
                    Ok(info) => last = format!("{} pending, {} unacknowledged", info.num_pending, info.num_ack_pending),
                    Err(error) => last = error.to_string(),
                }
                sleep(POLL_INTERVAL).await;
            }
        });
        match consumed.await {
            Ok(()) => Ok(()),
            Err(_) => bail!("the usage stream is not consumed within {within:?}: {last}"),
        }
    }

    /// The oldest event in the stream that fits.
    async fn some_event(&self, is_booked: impl Fn(Uuid) -> bool) -> anyhow::Result<(String, UsageEvent)> {
        let mut stream = self.stream().await?;
        let state = stream.info().await?.state.clone();
        for sequence in state.first_sequence..=state.last_sequence {
            let Ok(message) = stream.get_raw_message(sequence).await else { continue };
            let Ok(UsageMessage { source, body: Some(Body::Events(batch)) }) = UsageMessage::decode(message.payload)
            else {
                continue;
            };
            let fits = |event: &UsageEvent| Uuid::from_slice(&event.id).is_ok_and(&is_booked);
            if let Some(event) = batch.events.into_iter().find(fits) {
                return Ok((source, event));
            }
        }
        bail!("no booked event is in the stream")
    }

    async fn publish(&mut self, payload: Vec<u8>) -> anyhow::Result<()> {
        self.number += 1;
        let message = PublishMessage::build().payload(payload.into()).message_id(format!("forged-{}", self.number));
        self.jetstream.send_publish(usage_subject(0), message).await?.await?;
        Ok(())
    }

    async fn stream(&self) -> anyhow::Result<Stream> {
        self.jetstream.get_stream(USAGE_STREAM).await.context("the usage stream")
    }
}
