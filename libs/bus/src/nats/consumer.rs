//! Durable consumers, supervised.
//!
//! If the consumer, its stream or the connection is lost, it is created again with growing pauses, for ever. A consumer
//! that has messages and delivers none, and one that would skip messages, is replaced. What the server hands out
//! meanwhile is received all the same (`pull`); only what was on its way when a connection broke comes again after
//! `ack_wait`.

use async_nats::jetstream::consumer::{Info, PullConsumer};
use tokio::{
    sync::mpsc,
    time::{Duration, timeout},
};

use super::{
    Link, durable,
    outage::Outage,
    pull::Pull,
    stall::{Seen, Stall},
};
use crate::{BusError, Consumer, ConsumerSpec, ConsumerStatus, Message};

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
pub(super) async fn consume(mut link: Link, spec: ConsumerSpec) -> Result<Consumer, BusError> {
    link.losses.mark_unchanged();
    let consumer = durable::open(&link, &spec).await?;
    let mut pull = Pull::subscribe(link.clone()).await?;
    let (sender, receiver) = mpsc::channel(batch(&spec));
    tokio::spawn(async move {
        let closed = link.closed.clone();
        tokio::select! {
            () = supervise(link, spec, consumer, &mut pull, &sender) => {}
            () = sender.closed() => {}
            () = closed.cancelled() => {}
        }
        pull.close().await;
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
async fn supervise(
    mut link: Link,
    spec: ConsumerSpec,
    mut consumer: PullConsumer,
    pull: &mut Pull,
    sender: &mpsc::Sender<Message>,
) {
    let mut outage = Outage::new(format!("consumer {}", spec.name));
    loop {
        let forwarded = forward(&mut link, &spec, &consumer, pull, sender, &mut outage).await;
        let Err(interruption) = forwarded else { return };
        pull.give_up();
        let (mut problem, stuck) = match interruption {
            Interruption::Lost(problem) => (problem, None),
            Interruption::Stuck(info) => ("messages wait and none is delivered".to_owned(), Some(info)),
        };
        consumer = loop {
            link.pause(outage.failed(&problem)).await;
            // A loss before this point interrupts nothing that begins after it.
            link.losses.mark_unchanged();
            match open_again(&link, &spec, stuck.as_deref()).await {
                Ok(consumer) => break consumer,
                Err(error) => problem = error.to_string(),
            }
        };
    }
}

/// `Ok` when nobody receives any more, the reason when the messages stopped.
async fn forward(
    link: &mut Link,
    spec: &ConsumerSpec,
    consumer: &PullConsumer,
    pull: &mut Pull,
    sender: &mpsc::Sender<Message>,
    outage: &mut Outage,
) -> Result<(), Interruption> {
    let mut stall = Stall::new(link.stuck_after);
    let quiet = CALM.min(link.stuck_after);
    loop {
        pull.ask(consumer, batch(spec)).await.map_err(Interruption::Lost)?;
        let arrival = tokio::select! {
            biased;
            arrival = timeout(quiet, pull.next()) => arrival,
            _ = link.losses.changed() => return Err(Interruption::Lost("the connection was lost".to_owned())),
        };
        let Ok(arrival) = arrival else {
            check(link, spec, &mut stall).await?;
            outage.over();
            continue;
        };
        let Some(message) = arrival.map_err(Interruption::Lost)? else { continue };
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

async fn open_again(link: &Link, spec: &ConsumerSpec, stuck: Option<&Info>) -> Result<PullConsumer, BusError> {
    match stuck {
        Some(info) => durable::replace(link, spec, info).await,
        None => durable::open(link, spec).await,
    }
}

fn batch(spec: &ConsumerSpec) -> usize {
    spec.max_in_flight.clamp(1, LARGEST_BATCH)
}
