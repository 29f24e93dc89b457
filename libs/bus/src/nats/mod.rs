//! The bus over NATS with JetStream, 2.9 or later.
//!
//! Guarantees at each failure:
//! - the server is away: [`Bus::deliver`] fails with [`BusError::Unavailable`]; the message may have been stored all
//!   the same, and is delivered again under its own id or version. The connection is tried for ever, and consumers,
//!   watches, listeners and responders go on by themselves;
//! - the server is killed: what it acknowledged is kept by its file store, except what the operating system had not
//!   yet written when the whole machine went down; consumers get unacknowledged messages again;
//! - the store is wiped or rolled back to an older copy: acknowledged messages are gone and sequence numbers are used
//!   again, which is why neither is trusted here. Watches notice and start again; streams come back by
//!   [`Bus::provision`] only; owners of messages and values deliver them again;
//! - the usage stream is full: the server refuses new messages, which is `Unavailable` here. Measured on 2.9.10: within
//!   some 50 bytes of `max_bytes` it lets a small message in and pushes out the oldest one, although it was told to
//!   discard the new; so a stream near its limit is an alarm, and the journals' resends are what keeps the count right.
//!
//! What is in which file: `config` connects, `streams` provisions and compares, `publish` and `state` deliver,
//! `consumer` and `watch` supervise what arrives, `talk` is what nothing keeps. Of a consumer, `durable` is its part at
//! the server, `stall` says when that is stuck, `pull` asks for messages, `received` makes them ours and gives them back,
//! and `held` counts their bytes.

mod config;
mod consumer;
mod durable;
mod held;
mod outage;
mod publish;
mod pull;
mod received;
mod stall;
mod state;
mod streams;
mod talk;
mod watch;

use std::time::Duration;

use async_nats::{
    Client,
    connection::State,
    jetstream::{self, ContextBuilder},
};
use async_trait::async_trait;
use bytes::Bytes;
use maas_events::{Bucket, Delivery};
use tokio::sync::{mpsc, watch as watched};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::config::{NatsAuth, NatsConfig};
use self::streams::StreamTable;
use crate::{Bus, BusError, Consumer, ConsumerSpec, ConsumerStatus, Responder, StateWatch};

/// How long the server may take to confirm anything.
const SERVER_TIMEOUT: Duration = Duration::from_secs(5);

/// How often it is looked whether a lost connection is back.
const CONNECTION_LOOK: Duration = Duration::from_millis(50);

/// Closed when it is dropped: consumers, watches, listeners and responders end then.
pub struct NatsBus {
    link: Link,
    streams: StreamTable,
    _closed: DropGuard,
}

/// What every part needs: the connection, and the news about it.
#[derive(Clone)]
struct Link {
    client: Client,
    jetstream: jetstream::Context,
    /// Changes with each loss of the connection.
    losses: watched::Receiver<u64>,
    /// See [`NatsConfig::stuck_after`].
    stuck_after: Duration,
    closed: CancellationToken,
}

impl NatsBus {
    /// Connects, or says at once why not (unless [`NatsConfig::connect_later`]). Later losses of the connection are repaired for ever.
    pub async fn connect(config: NatsConfig) -> Result<Self, BusError> {
        let (client, losses) = config::connect(&config).await?;
        let jetstream = ContextBuilder::new().timeout(SERVER_TIMEOUT).ack_timeout(SERVER_TIMEOUT).build(client.clone());
        let closed = CancellationToken::new();
        Ok(Self {
            link: Link { client, jetstream, losses, stuck_after: config.stuck_after, closed: closed.clone() },
            streams: StreamTable::new(&config),
            _closed: closed.drop_guard(),
        })
    }
}

impl Link {
    fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Nothing is handed to a client that is reconnecting: it would be sent much later, when nobody waits for it.
    fn require_connection(&self) -> Result<(), BusError> {
        match self.is_connected() {
            true => Ok(()),
            false => Err(BusError::Unavailable("not connected".to_owned())),
        }
    }

    /// The pause before something is tried again. Without a connection there is nothing to spare, and nothing to try:
    /// the pause ends with the connection's return.
    async fn pause(&self, pause: Duration) {
        if self.is_connected() {
            return tokio::time::sleep(pause).await;
        }
        while !self.is_connected() {
            tokio::time::sleep(CONNECTION_LOOK).await;
        }
    }
}

#[async_trait]
impl Bus for NatsBus {
    async fn deliver(&self, delivery: Delivery) -> Result<(), BusError> {
        self.link.require_connection()?;
        match delivery {
            Delivery::Message { subject, id, headers, payload } => {
                publish::message(&self.link, &self.streams, subject, &id, headers, payload).await
            }
            Delivery::State { bucket, key, version, value } => {
                state::put(&self.link, bucket, &key, version, value).await
            }
        }
    }

    async fn consume(&self, spec: ConsumerSpec) -> Result<Consumer, BusError> {
        consumer::consume(self.link.clone(), spec).await
    }

    async fn consumer_status(&self, spec: &ConsumerSpec) -> Result<ConsumerStatus, BusError> {
        consumer::status(&self.link, spec).await
    }

    fn watch_state(&self, bucket: Bucket) -> StateWatch {
        watch::start(self.link.clone(), bucket)
    }

    async fn broadcast(&self, subject: &'static str, payload: Bytes) -> Result<(), BusError> {
        talk::broadcast(&self.link, subject, payload).await
    }

    async fn listen(&self, subject: &'static str) -> Result<mpsc::Receiver<Bytes>, BusError> {
        talk::listen(self.link.clone(), subject).await
    }

    async fn ask(&self, subject: &'static str, question: Bytes, timeout: Duration) -> Result<Bytes, BusError> {
        talk::ask(&self.link, subject, question, timeout).await
    }

    async fn respond(&self, subject: &'static str, responder: Responder) -> Result<(), BusError> {
        talk::respond(self.link.clone(), subject, responder).await
    }

    async fn provision(&self) -> Result<(), BusError> {
        self.streams.provision(&self.link).await
    }

    async fn check_provisioned(&self) -> Result<(), BusError> {
        self.streams.check(&self.link).await
    }

    fn is_connected(&self) -> bool {
        self.link.is_connected()
    }
}
