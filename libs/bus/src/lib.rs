//! How the services talk: publish, consume, watch state, broadcast, ask. One small interface with two
//! implementations, [`NatsBus`] (JetStream) and [`InProcessBus`], that pass the same tests.
//!
//! The contract, on both:
//! - [`Bus::deliver`] of a message returns `Ok` only when the message cannot be lost by a crash of this process any
//!   more: NATS has stored it, or (in process) every consumer of the subject has acknowledged it. Delivery is at
//!   least once; consumers are idempotent.
//! - State is the last value per key. An older version never overwrites a newer one. A watch yields the whole history
//!   (last values), then [`StateChange::CaughtUp`], then changes; it never ends by itself: on any error it starts
//!   again from the beginning and says so with [`StateChange::Restarted`].
//! - Broadcasts and questions are not kept.
//! - A bus is closed when its last handle is dropped; whatever it feeds ends then.
//!
//! Streams are created by [`Bus::provision`] only (the `migrate` command); everything else compares and refuses.
#![forbid(unsafe_code)]

mod in_process;
mod nats;
mod subject;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use maas_events::{Bucket, Delivery};
use tokio::sync::mpsc;

pub use in_process::InProcessBus;
pub use nats::{NatsAuth, NatsBus, NatsConfig};

pub type SharedBus = Arc<dyn Bus>;
pub type AnswerFuture = Pin<Box<dyn Future<Output = Bytes> + Send>>;
/// Answers a question. It must not fail: a fault is told inside the answer's own message form, or by no answer.
pub type Responder = Arc<dyn Fn(Bytes) -> AnswerFuture + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// Nothing is known about the outcome; try again.
    #[error("the bus is not reachable: {0}")]
    Unavailable(String),
    /// No answer within the time, or nobody there to answer.
    #[error("no answer on `{0}`")]
    NoAnswer(String),
    /// A stream is missing or differs from what this version needs; `migrate` provisions it.
    #[error("stream {stream}: {problem}; run the `migrate` command")]
    NotProvisioned { stream: String, problem: String },
    /// The server refused; trying again will not help.
    #[error("the bus refused: {0}")]
    Refused(String),
}

#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// Delivers a message or a state value durably; see the crate's contract.
    async fn deliver(&self, delivery: Delivery) -> Result<(), BusError>;

    /// Consumes a subject under a durable name; several processes with one name share the work.
    /// Messages come in the order of the stream, except those that are delivered again.
    async fn consume(&self, spec: ConsumerSpec) -> Result<Consumer, BusError>;

    /// How a durable consumer stands at this moment, of all processes that share its name. For people and gauges; an
    /// acknowledgement on its way is not in it yet.
    async fn consumer_status(&self, spec: &ConsumerSpec) -> Result<ConsumerStatus, BusError>;

    /// Watches a bucket; see the crate's contract. The watch ends when the receiver is dropped.
    fn watch_state(&self, bucket: Bucket) -> StateWatch;

    /// Tells whoever listens now. Nothing is kept.
    async fn broadcast(&self, subject: &'static str, payload: Bytes) -> Result<(), BusError>;

    /// Hears broadcasts from now on, through reconnects. A slow listener loses the oldest ones.
    async fn listen(&self, subject: &'static str) -> Result<mpsc::Receiver<Bytes>, BusError>;

    /// Asks one of the responders of `subject`.
    async fn ask(&self, subject: &'static str, question: Bytes, timeout: Duration) -> Result<Bytes, BusError>;

    /// Answers questions on `subject` until the bus is closed; several processes share the work.
    async fn respond(&self, subject: &'static str, responder: Responder) -> Result<(), BusError>;

    /// Creates or updates what is missing.
    async fn provision(&self) -> Result<(), BusError>;

    /// Compares what is there with what this version needs.
    async fn check_provisioned(&self) -> Result<(), BusError>;

    /// True while the bus can be reached.
    fn is_connected(&self) -> bool;
}

#[derive(Debug, Clone)]
pub struct ConsumerSpec {
    pub stream: &'static str,
    /// The durable name, one per purpose.
    pub name: &'static str,
    /// Subject filter inside the stream.
    pub subject: String,
    /// How long a message may stay unacknowledged before it is delivered again.
    pub ack_wait: Duration,
    /// How many messages may be out without acknowledgement, at all processes that share the name. It says nothing
    /// about memory: over NATS one process holds at most 64 MiB of messages that it has not acknowledged, however large
    /// they are, and asks for no more until some are; in process the payloads are the sender's.
    pub max_in_flight: usize,
}

/// What waits for a durable consumer, in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConsumerStatus {
    /// Not handed out yet.
    pub pending: u64,
    /// Handed out, and not acknowledged yet.
    pub unacknowledged: u64,
    /// Of the unacknowledged ones, those that were handed out more than once.
    pub redelivered: u64,
}

/// The receiving end of [`Bus::consume`]. Supervised: it reconnects, and is created again when the server lost it or
/// delivers nothing although there is something.
pub struct Consumer {
    messages: mpsc::Receiver<Message>,
}

impl Consumer {
    pub(crate) fn new(messages: mpsc::Receiver<Message>) -> Self {
        Self { messages }
    }

    /// The next message; `None` when the bus was closed.
    pub async fn next(&mut self) -> Option<Message> {
        self.messages.recv().await
    }

    /// A message that has already arrived, if there is one.
    pub fn try_next(&mut self) -> Option<Message> {
        self.messages.try_recv().ok()
    }
}

pub(crate) type Acknowledge = Box<dyn FnOnce() -> AcknowledgeFuture + Send>;
pub(crate) type AcknowledgeFuture = Pin<Box<dyn Future<Output = Result<(), BusError>> + Send>>;

/// One delivery of one message. Dropping it without [`Message::ack`] lets it be delivered again: at once, or after
/// `ack_wait` if the server did not hear of it.
pub struct Message {
    pub subject: String,
    pub headers: Vec<(String, String)>,
    pub payload: Bytes,
    /// 1 for the first delivery.
    pub deliveries: u64,
    /// Messages of the subject that are waiting behind this one, as far as the bus knows.
    pub pending: u64,
    pub(crate) acknowledge: Acknowledge,
}

impl Message {
    /// Says that the message is dealt with and need not come again.
    pub async fn ack(self) -> Result<(), BusError> {
        (self.acknowledge)().await
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateChange {
    /// The watch starts (again) from the beginning: what follows up to `CaughtUp` is everything there is. Values not
    /// repeated by then are gone; in practice they were tombstones, since nothing else is ever removed.
    Restarted,
    Value {
        key: String,
        version: u64,
        value: Bytes,
    },
    CaughtUp,
}

pub struct StateWatch {
    changes: mpsc::Receiver<StateChange>,
}

impl StateWatch {
    pub(crate) fn new(changes: mpsc::Receiver<StateChange>) -> Self {
        Self { changes }
    }

    /// The next change; `None` when the bus was closed.
    pub async fn next(&mut self) -> Option<StateChange> {
        self.changes.recv().await
    }

    /// A change that has already arrived, if there is one.
    pub fn try_next(&mut self) -> Option<StateChange> {
        self.changes.try_recv().ok()
    }
}
