//! The bus inside one process. Nothing is stored: whoever delivers keeps the message (an outbox, a journal) until
//! [`Bus::deliver`] has returned `Ok`.
//!
//! Guarantees at each failure:
//! - a consumer drops a message, or is too slow for its `ack_wait`: the message comes again, `deliver` keeps waiting;
//! - no consumer for the subject, or a durable name that consumed before has nobody left: `deliver` fails with
//!   [`BusError::Unavailable`] after [`CONSUMER_WAIT`], and the caller tries again later;
//! - the caller gives `deliver` up: no redelivery happens any more; what was handed out may still be processed;
//! - a watcher that falls behind starts again from the last values;
//! - the process ends: values, broadcasts and questions are gone; owners publish their values again at start.

mod group;
mod state;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::try_join_all;
use maas_events::{Bucket, Delivery};
use tokio::{
    sync::{broadcast, mpsc, watch},
    time::Instant,
};

use self::{
    group::{Envelope, Group},
    state::StateTable,
};
use crate::{Bus, BusError, Consumer, ConsumerSpec, ConsumerStatus, Responder, StateWatch};

/// How long a delivery waits for a consumer to appear.
const CONSUMER_WAIT: Duration = Duration::from_secs(2);
/// Broadcasts kept for a listener that is behind.
const LISTENER_CAPACITY: usize = 256;

/// Clones are handles of one bus; it is closed when the last one is dropped.
#[derive(Clone)]
pub struct InProcessBus {
    inner: Arc<Inner>,
}

struct Inner {
    /// By durable name. A group stays when its members leave, as a durable consumer does.
    groups: Mutex<HashMap<&'static str, Arc<Group>>>,
    groups_changed: watch::Sender<()>,
    states: StateTable,
    broadcasts: Mutex<HashMap<&'static str, broadcast::Sender<Bytes>>>,
    responders: Mutex<HashMap<&'static str, Responders>>,
}

#[derive(Default)]
struct Responders {
    all: Vec<Responder>,
    turn: usize,
}

impl Default for InProcessBus {
    fn default() -> Self {
        Self::new()
    }
}

impl InProcessBus {
    pub fn new() -> Self {
        Self {
            inner: Arc::new(Inner {
                groups: Mutex::default(),
                groups_changed: watch::Sender::new(()),
                states: StateTable::default(),
                broadcasts: Mutex::default(),
                responders: Mutex::default(),
            }),
        }
    }

    async fn deliver_message(&self, envelope: Envelope) -> Result<(), BusError> {
        let groups = self.groups_of(&envelope.subject).await?;
        try_join_all(groups.iter().map(|group| group.deliver(&envelope))).await?;
        Ok(())
    }

    /// The groups that consume `subject`, at least one.
    async fn groups_of(&self, subject: &str) -> Result<Vec<Arc<Group>>, BusError> {
        let deadline = Instant::now() + CONSUMER_WAIT;
        let mut changed = self.inner.groups_changed.subscribe();
        loop {
            let groups: Vec<_> =
                lock(&self.inner.groups).values().filter(|group| group.wants(subject)).cloned().collect();
            if !groups.is_empty() {
                return Ok(groups);
            }
            if !matches!(tokio::time::timeout_at(deadline, changed.changed()).await, Ok(Ok(()))) {
                return Err(BusError::Unavailable(format!("nobody consumes `{subject}` yet")));
            }
        }
    }

    fn broadcasts(&self, subject: &'static str) -> broadcast::Sender<Bytes> {
        lock(&self.inner.broadcasts).entry(subject).or_insert_with(|| broadcast::Sender::new(LISTENER_CAPACITY)).clone()
    }

    fn next_responder(&self, subject: &'static str) -> Option<Responder> {
        let mut responders = lock(&self.inner.responders);
        let responders = responders.get_mut(subject)?;
        responders.turn = (responders.turn + 1) % responders.all.len().max(1);
        responders.all.get(responders.turn).cloned()
    }
}

#[async_trait]
impl Bus for InProcessBus {
    async fn deliver(&self, delivery: Delivery) -> Result<(), BusError> {
        match delivery {
            Delivery::Message { subject, headers, payload, .. } => {
                let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                self.deliver_message(Envelope { subject, headers, payload }).await
            }
            Delivery::State { bucket, key, version, value } => {
                self.inner.states.put(bucket, key, version, value);
                Ok(())
            }
        }
    }

    async fn consume(&self, spec: ConsumerSpec) -> Result<Consumer, BusError> {
        let consumer = {
            let mut groups = lock(&self.inner.groups);
            let group = match groups.get(spec.name) {
                Some(group) if group.has_spec(&spec) => Arc::clone(group),
                Some(group) if group.has_members() => {
                    let problem = format!("`{}` is being consumed with other settings", spec.name);
                    return Err(BusError::Refused(problem));
                }
                _ => {
                    let group = Arc::new(Group::new(spec.clone()));
                    groups.insert(spec.name, Arc::clone(&group));
                    group
                }
            };
            group.join()
        };
        self.inner.groups_changed.send_replace(());
        Ok(consumer)
    }

    async fn consumer_status(&self, spec: &ConsumerSpec) -> Result<ConsumerStatus, BusError> {
        let group = lock(&self.inner.groups).get(spec.name).map(Arc::clone);
        let missing = || BusError::Unavailable(format!("nobody consumes as `{}` yet", spec.name));
        group.map(|group| group.status()).ok_or_else(missing)
    }

    fn watch_state(&self, bucket: Bucket) -> StateWatch {
        self.inner.states.watch(bucket)
    }

    async fn broadcast(&self, subject: &'static str, payload: Bytes) -> Result<(), BusError> {
        // An error only says that nobody listens.
        let _ = self.broadcasts(subject).send(payload);
        Ok(())
    }

    async fn listen(&self, subject: &'static str) -> Result<mpsc::Receiver<Bytes>, BusError> {
        let heard = self.broadcasts(subject).subscribe();
        // One place: the backlog lives in the broadcast channel, which drops its oldest.
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(forward_broadcasts(heard, sender));
        Ok(receiver)
    }

    async fn ask(&self, subject: &'static str, question: Bytes, timeout: Duration) -> Result<Bytes, BusError> {
        let responder = self.next_responder(subject).ok_or_else(|| BusError::NoAnswer(subject.to_owned()))?;
        // Its own task, so that a responder that panics does not take the asker with it.
        let answer = tokio::spawn(async move { responder(question).await });
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(BusError::NoAnswer(subject.to_owned())),
        }
    }

    async fn respond(&self, subject: &'static str, responder: Responder) -> Result<(), BusError> {
        lock(&self.inner.responders).entry(subject).or_default().all.push(responder);
        Ok(())
    }

    async fn provision(&self) -> Result<(), BusError> {
        Ok(())
    }

    async fn check_provisioned(&self) -> Result<(), BusError> {
        Ok(())
    }

    fn is_connected(&self) -> bool {
        true
    }
}

/// The maps stay consistent between statements, so a panic elsewhere does not make them unusable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn forward_broadcasts(mut heard: broadcast::Receiver<Bytes>, listener: mpsc::Sender<Bytes>) {
    loop {
        // The place is reserved first: a payload taken out early could not be overtaken by the loss of the oldest.
        let Ok(place) = listener.reserve().await else { return };
        let payload = loop {
            tokio::select! {
                heard = heard.recv() => match heard {
                    Ok(payload) => break payload,
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                () = listener.closed() => return,
            }
        };
        place.send(payload);
    }
}
