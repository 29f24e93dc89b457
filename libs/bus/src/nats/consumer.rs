//! Durable consumers, supervised.
//!
//! If the consumer, its stream or the connection is lost, it is created again with growing pauses, for ever. A consumer
//! that has messages and delivers none, and one that would skip messages, is replaced. Messages that were on their way
//! come again after `ack_wait`.

use async_nats::{
    HeaderMap,
    jetstream::{
        self,
        consumer::{Info, PullConsumer, pull},
    },
};
use futures_util::StreamExt;
use tokio::{sync::mpsc, time::Duration};

use super::{
    Link, durable,
    outage::Outage,
    stall::{Seen, Stall},
};
use crate::{BusError, Consumer, ConsumerSpec, ConsumerStatus, Message};

/// A pull request is renewed this often.
const PULL_EXPIRY: Duration = Duration::from_secs(10);
/// Two of these without a sign of life mean that the server no longer knows the request.
const PULL_HEARTBEAT: Duration = Duration::from_secs(2);
/// Messages fetched ahead; their `ack_wait` is already running.
const LARGEST_BATCH: usize = 256;
/// Nothing odd for this long: an outage is over, also when no message came.
const CALM: Duration = Duration::from_secs(5);

/// Why messages stopped.
enum Interruption {
    /// The connection, the consumer or its stream is gone.
    Lost(String),
    /// The server has messages and delivers none.
    Stuck(Box<Info>),
}

/// Fails when the consumer cannot be created now; keeps it alive from then on.
pub(super) async fn consume(link: Link, spec: ConsumerSpec) -> Result<Consumer, BusError> {
    let messages = messages_of(durable::open(&link, &spec).await?, &spec).await?;
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

/// How the consumer stands at the server.
pub(super) async fn status(link: &Link, spec: &ConsumerSpec) -> Result<ConsumerStatus, BusError> {
    let standing = durable::look(link, spec).await?;
    let info = standing.consumer.ok_or_else(|| BusError::Unavailable(format!("consumer {} is missing", spec.name)))?;
    Ok(ConsumerStatus {
        pending: info.num_pending,
        unacknowledged: info.num_ack_pending as u64,
        redelivered: info.num_redelivered as u64,
    })
}

/// Returns when nobody receives any more.
async fn supervise(link: Link, spec: ConsumerSpec, mut messages: pull::Stream, sender: &mpsc::Sender<Message>) {
    let mut outage = Outage::new(format!("consumer {}", spec.name));
    loop {
        let Err(interruption) = forward(&link, &spec, &mut messages, sender, &mut outage).await else { return };
        let (mut problem, stuck) = match interruption {
            Interruption::Lost(problem) => (problem, None),
            Interruption::Stuck(info) => ("messages wait and none is delivered".to_owned(), Some(info)),
        };
        messages = loop {
            tokio::time::sleep(outage.failed(&problem)).await;
            match open_again(&link, &spec, stuck.as_deref()).await {
                Ok(messages) => break messages,
                Err(error) => problem = error.to_string(),
            }
        };
    }
}

/// `Ok` when nobody receives any more, the reason when the messages stopped.
async fn forward(
    link: &Link,
    spec: &ConsumerSpec,
    messages: &mut pull::Stream,
    sender: &mpsc::Sender<Message>,
    outage: &mut Outage,
) -> Result<(), Interruption> {
    let mut stall = Stall::new(link.stuck_after);
    let quiet = CALM.min(link.stuck_after);
    loop {
        let Ok(message) = tokio::time::timeout(quiet, messages.next()).await else {
            check(link, spec, &mut stall).await?;
            outage.over();
            continue;
        };
        let message = message.ok_or_else(|| Interruption::Lost("the messages ended".to_owned()))?;
        let message = message.map_err(|error| Interruption::Lost(error.to_string()))?;
        let message = from_nats(message).map_err(Interruption::Lost)?;
        outage.over();
        // As long as nobody takes it, nothing is asked for, and no silence is the server's fault.
        if sender.send(message).await.is_err() {
            return Ok(());
        }
        stall.over();
    }
}

/// Nothing came for a while: is there nothing, or is something wrong?
async fn check(link: &Link, spec: &ConsumerSpec, stall: &mut Stall) -> Result<(), Interruption> {
    let standing = durable::look(link, spec).await.map_err(|error| Interruption::Lost(error.to_string()))?;
    if let Some(fault) = standing.fault() {
        return Err(Interruption::Lost(fault.to_owned()));
    }
    match standing.consumer {
        None => Err(Interruption::Lost("the consumer is missing".to_owned())),
        Some(info) if stall.is_stuck(Seen::of(&info)) => Err(Interruption::Stuck(Box::new(info))),
        Some(_) => Ok(()),
    }
}

async fn open_again(link: &Link, spec: &ConsumerSpec, stuck: Option<&Info>) -> Result<pull::Stream, BusError> {
    let consumer = match stuck {
        Some(info) => durable::replace(link, spec, info).await?,
        None => durable::open(link, spec).await?,
    };
    messages_of(consumer, spec).await
}

async fn messages_of(consumer: PullConsumer, spec: &ConsumerSpec) -> Result<pull::Stream, BusError> {
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
