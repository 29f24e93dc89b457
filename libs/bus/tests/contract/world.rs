//! Servers, messages and bounded waits.

use std::{future::Future, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use maas_bus::{BusError, Consumer, ConsumerSpec, Message, NatsBus, NatsConfig, SharedBus, StateChange, StateWatch};
use maas_events::{Bucket, Delivery, topic};
use maas_testkit::nats::NatsServer;
use tokio::task::JoinHandle;

/// Far longer than anything takes here; a wait for a state ends with the state.
const PATIENCE: Duration = Duration::from_secs(30);

const PAUSE: Duration = Duration::from_millis(20);

pub struct NatsWorld {
    pub server: NatsServer,
    pub bus: SharedBus,
}

impl NatsWorld {
    pub async fn start() -> Self {
        let world = Self::start_unprovisioned().await;
        world.bus.provision().await.expect("streams are provisioned");
        world
    }

    pub async fn start_unprovisioned() -> Self {
        let server = NatsServer::start().await.expect("a NATS server of the test's own");
        let bus = Arc::new(NatsBus::connect(NatsConfig::new(server.url(), "contract-test")).await.expect("connects"));
        Self { server, bus }
    }

    /// Kills the server; the next one starts with nothing.
    pub fn kill_and_wipe(&self) {
        self.server.kill().unwrap();
        std::fs::remove_dir_all(self.server.store_dir()).unwrap();
    }

    pub async fn restart(&self) {
        self.server.restart().await.unwrap();
        until("connected again", async || self.bus.is_connected().then_some(())).await;
    }
}

pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// Asks again and again until there is an answer.
pub async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    soon(what, async {
        loop {
            if let Some(found) = probe().await {
                return found;
            }
            tokio::time::sleep(PAUSE).await;
        }
    })
    .await
}

pub fn message(id: &str) -> Delivery {
    with_payload(id, Bytes::copy_from_slice(id.as_bytes()))
}

pub fn with_payload(id: &str, payload: Bytes) -> Delivery {
    let headers = vec![("Maas-Test", id.to_owned())];
    Delivery::Message { subject: topic::usage_subject(0), id: id.to_owned(), headers, payload }
}

/// Delivers as an outbox does: again until it has worked.
pub fn deliver_until_stored(bus: &SharedBus, delivery: Delivery) -> JoinHandle<()> {
    let bus = Arc::clone(bus);
    tokio::spawn(async move {
        loop {
            match bus.deliver(delivery.clone()).await {
                Ok(()) => return,
                Err(BusError::Refused(problem)) => panic!("refused: {problem}"),
                Err(BusError::Unavailable(_) | BusError::NotProvisioned { .. } | BusError::NoAnswer(_)) => {
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    })
}

pub fn usage_spec() -> ConsumerSpec {
    ConsumerSpec {
        stream: topic::USAGE_STREAM,
        name: "contract",
        subject: format!("{}.>", topic::USAGE_SUBJECT_PREFIX),
        ack_wait: Duration::from_secs(1),
        max_in_flight: 16,
    }
}

pub async fn next(consumer: &mut Consumer) -> Message {
    soon("a message", consumer.next()).await.expect("the bus is open")
}

pub fn value(key: &str, version: u64, value: &'static str) -> Delivery {
    Delivery::State { bucket: Bucket::Keys, key: key.to_owned(), version, value: Bytes::from_static(value.as_bytes()) }
}

pub fn changed(key: &str, version: u64, value: &'static str) -> StateChange {
    StateChange::Value { key: key.to_owned(), version, value: Bytes::from_static(value.as_bytes()) }
}

pub async fn next_change(watch: &mut StateWatch) -> StateChange {
    soon("a change", watch.next()).await.expect("the bus is open")
}

/// From the next (last) `Restarted` to the `CaughtUp` that follows it: the values between.
pub async fn next_history(watch: &mut StateWatch) -> Vec<StateChange> {
    let mut values = None;
    loop {
        match (next_change(watch).await, &mut values) {
            (StateChange::Restarted, values) => *values = Some(Vec::new()),
            (StateChange::CaughtUp, Some(values)) => return std::mem::take(values),
            (value @ StateChange::Value { .. }, Some(values)) => values.push(value),
            (_, None) => {}
        }
    }
}

/// For putting a store back to what it was.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}
