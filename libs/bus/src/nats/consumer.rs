//! Durable consumers, supervised.
//!
//! If the consumer, its stream or the connection is lost, it is created again with growing pauses, for ever. Messages
//! that were on their way come again after `ack_wait`.

use async_nats::{
    HeaderMap,
    jetstream::{
        self, ErrorCode,
        consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull},
        stream::{ConsumerError, ConsumerErrorKind},
    },
};
use futures_util::StreamExt;
use tokio::{sync::mpsc, time::Duration};

use super::{Link, outage::Outage, publish};
use crate::{BusError, Consumer, ConsumerSpec, Message};

/// A pull request is renewed this often.
const PULL_EXPIRY: Duration = Duration::from_secs(10);
/// Two of these without a sign of life mean that the server no longer knows the request.
const PULL_HEARTBEAT: Duration = Duration::from_secs(2);
/// Messages fetched ahead; their `ack_wait` is already running.
const LARGEST_BATCH: usize = 256;
/// Nothing odd for this long: an outage is over, also when no message came.
const CALM: Duration = Duration::from_secs(5);
const DELIVER_FOR_EVER: i64 = -1;

/// Fails when the consumer cannot be created now; keeps it alive from then on.
pub(super) async fn consume(link: Link, spec: ConsumerSpec) -> Result<Consumer, BusError> {
    link.require_connection()?;
    let messages = open(&link, &spec).await?;
    let (sender, receiver) = mpsc::channel(batch(&spec));
    tokio::spawn(async move {
        let closed = link.closed.clone();
        tokio::select! {
            () = supervise(link, spec, messages, &sender) => {}
            () = sender.closed() => {}
            () = closed.cancelled() => {}
        }
    });
    Ok(Consumer::new(receiver))
}

/// Returns when nobody receives any more.
async fn supervise(link: Link, spec: ConsumerSpec, mut messages: pull::Stream, sender: &mpsc::Sender<Message>) {
    let mut outage = Outage::new(format!("consumer {}", spec.name));
    loop {
        let Err(mut problem) = forward(&mut messages, sender, &mut outage).await else { return };
        messages = loop {
            tokio::time::sleep(outage.failed(&problem)).await;
            match open(&link, &spec).await {
                Ok(messages) => break messages,
                Err(error) => problem = error.to_string(),
            }
        };
    }
}

/// `Ok` when nobody receives any more, the reason when the messages stopped.
async fn forward(
    messages: &mut pull::Stream,
    sender: &mpsc::Sender<Message>,
    outage: &mut Outage,
) -> Result<(), String> {
    loop {
        let Ok(message) = tokio::time::timeout(CALM, messages.next()).await else {
            outage.over();
            continue;
        };
        let message = message.ok_or("the messages ended")?.map_err(|error| error.to_string())?;
        let message = from_nats(message)?;
        outage.over();
        if sender.send(message).await.is_err() {
            return Ok(());
        }
    }
}

/// Creates the durable consumer, or updates it where it differs, and asks for its messages.
async fn open(link: &Link, spec: &ConsumerSpec) -> Result<pull::Stream, BusError> {
    let config = pull::Config {
        durable_name: Some(spec.name.to_owned()),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        // No `backoff`: it would take the place of `ack_wait`.
        ack_wait: spec.ack_wait,
        max_deliver: DELIVER_FOR_EVER,
        filter_subject: spec.subject.clone(),
        max_ack_pending: i64::try_from(spec.max_in_flight.max(1)).unwrap_or(i64::MAX),
        ..pull::Config::default()
    };
    let consumer: PullConsumer = link
        .jetstream
        .create_consumer_on_stream(config, spec.stream)
        .await
        .map_err(|error| refusal(spec.stream, &error))?;
    consumer
        .stream()
        .max_messages_per_batch(batch(spec))
        .expires(PULL_EXPIRY)
        .heartbeat(PULL_HEARTBEAT)
        .messages()
        .await
        .map_err(|error| BusError::Unavailable(format!("consumer {}: {error}", spec.name)))
}

fn batch(spec: &ConsumerSpec) -> usize {
    spec.max_in_flight.clamp(1, LARGEST_BATCH)
}

pub(super) fn refusal(stream: &str, error: &ConsumerError) -> BusError {
    match error.kind() {
        ConsumerErrorKind::JetStream(server) if server.error_code() == ErrorCode::STREAM_NOT_FOUND => {
            publish::missing(stream)
        }
        ConsumerErrorKind::JetStream(server) => publish::from_server(stream, &server),
        ConsumerErrorKind::TimedOut | ConsumerErrorKind::Request | ConsumerErrorKind::Other => {
            BusError::Unavailable(format!("consumer on {stream}: {error}"))
        }
        ConsumerErrorKind::InvalidConsumerType | ConsumerErrorKind::InvalidName => {
            BusError::Refused(format!("consumer on {stream}: {error}"))
        }
    }
}

fn from_nats(message: jetstream::Message) -> Result<Message, String> {
    let info = message.info().map_err(|error| error.to_string())?;
    let (deliveries, pending) = (u64::try_from(info.delivered).unwrap_or(1), info.pending);
    let (message, acker) = message.split();
    Ok(Message {
        subject: message.subject.to_string(),
        headers: message.headers.as_ref().map(headers).unwrap_or_default(),
        payload: message.payload,
        deliveries,
        pending,
        acknowledge: Box::new(move || {
            // Not confirmed by the server: an acknowledgement that gets lost costs one more delivery, which every
            // consumer must be ready for anyway, and a confirmation would cost a round trip each time.
            Box::pin(async move { acker.ack().await.map_err(|error| BusError::Unavailable(error.to_string())) })
        }),
    })
}

fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let pairs = headers.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    pairs.map(|(name, value)| (name.to_string(), value.as_str().to_owned())).collect()
}
