//! The consumers that share one durable name.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::select_all;
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{CONSUMER_WAIT, lock};
use crate::{BusError, Consumer, ConsumerSpec, ConsumerStatus, Message};

/// The longest pause before a dropped message comes again, so that a consumer that drops everything does not spin.
const REDELIVERY_PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Envelope {
    pub subject: String,
    pub headers: Vec<(String, String)>,
    pub payload: Bytes,
}

pub(super) struct Group {
    spec: ConsumerSpec,
    members: Mutex<Members>,
    member_joined: watch::Sender<()>,
    in_flight: Semaphore,
    waiting: AtomicU64,
    /// Deliveries that wait for an acknowledgement.
    unacknowledged: AtomicU64,
    redelivered: AtomicU64,
}

#[derive(Default)]
struct Members {
    all: Vec<mpsc::Sender<Message>>,
    turn: usize,
}

impl Group {
    pub(super) fn new(spec: ConsumerSpec) -> Self {
        Self {
            in_flight: Semaphore::new(spec.max_in_flight.max(1)),
            spec,
            members: Mutex::default(),
            member_joined: watch::Sender::new(()),
            waiting: AtomicU64::new(0),
            unacknowledged: AtomicU64::new(0),
            redelivered: AtomicU64::new(0),
        }
    }

    pub(super) fn wants(&self, subject: &str) -> bool {
        crate::subject::matches(&self.spec.subject, subject)
    }

    pub(super) fn has_spec(&self, spec: &ConsumerSpec) -> bool {
        let own = &self.spec;
        (own.stream, &own.subject, own.ack_wait, own.max_in_flight)
            == (spec.stream, &spec.subject, spec.ack_wait, spec.max_in_flight)
    }

    pub(super) fn has_members(&self) -> bool {
        !self.live_members().is_empty()
    }

    pub(super) fn status(&self) -> ConsumerStatus {
        ConsumerStatus {
            pending: self.waiting.load(Ordering::Relaxed),
            unacknowledged: self.unacknowledged.load(Ordering::Relaxed),
            redelivered: self.redelivered.load(Ordering::Relaxed),
        }
    }

    pub(super) fn join(&self) -> Consumer {
        let (sender, receiver) = mpsc::channel(self.spec.max_in_flight.max(1));
        lock(&self.members).all.push(sender);
        self.member_joined.send_replace(());
        Consumer::new(receiver)
    }

    /// Returns when one of the members has acknowledged the message.
    pub(super) async fn deliver(&self, envelope: &Envelope) -> Result<(), BusError> {
        let waiting = Counted::new(&self.waiting);
        let _permit = self.in_flight.acquire().await.map_err(|closed| BusError::Unavailable(closed.to_string()))?;
        drop(waiting);
        let _unacknowledged = Counted::new(&self.unacknowledged);
        let mut _redelivered = None;
        // Shared by all deliveries of this message: a late acknowledgement counts too.
        let acknowledged = CancellationToken::new();
        let mut deliveries = 0;
        loop {
            deliveries += 1;
            if deliveries == 2 {
                _redelivered = Some(Counted::new(&self.redelivered));
            }
            let (message, handle_dropped) = self.message(envelope, deliveries, acknowledged.clone());
            self.hand_out(message).await?;
            let redelivery = async {
                if tokio::time::timeout(self.spec.ack_wait, handle_dropped).await.is_ok() {
                    tokio::time::sleep(REDELIVERY_PAUSE.min(self.spec.ack_wait)).await;
                }
            };
            tokio::select! {
                biased;
                () = acknowledged.cancelled() => return Ok(()),
                () = redelivery => {}
            }
        }
    }

    /// The message, and what resolves when its handle is gone.
    fn message(
        &self,
        envelope: &Envelope,
        deliveries: u64,
        acknowledged: CancellationToken,
    ) -> (Message, oneshot::Receiver<()>) {
        let (handle, handle_dropped) = oneshot::channel::<()>();
        let message = Message {
            subject: envelope.subject.clone(),
            headers: envelope.headers.clone(),
            payload: envelope.payload.clone(),
            deliveries,
            pending: self.waiting.load(Ordering::Relaxed),
            acknowledge: Box::new(move || {
                Box::pin(async move {
                    acknowledged.cancel();
                    drop(handle);
                    Ok(())
                })
            }),
        };
        (message, handle_dropped)
    }

    /// Gives the message to the first member with a free place, in turn.
    async fn hand_out(&self, message: Message) -> Result<(), BusError> {
        let deadline = Instant::now() + CONSUMER_WAIT;
        let mut joined = self.member_joined.subscribe();
        loop {
            let places: Vec<_> =
                self.live_members().into_iter().map(|member| Box::pin(member.reserve_owned())).collect();
            if places.is_empty() {
                if !matches!(tokio::time::timeout_at(deadline, joined.changed()).await, Ok(Ok(()))) {
                    return Err(BusError::Unavailable(format!("nobody consumes as `{}`", self.spec.name)));
                }
                continue;
            }
            tokio::select! {
                (place, _, _) = select_all(places) => if let Ok(place) = place {
                    place.send(message);
                    return Ok(());
                },
                // A newcomer may be free while all others are full.
                _ = joined.changed() => {}
            }
        }
    }

    /// The members whose receiver exists, beginning with the one whose turn it is.
    fn live_members(&self) -> Vec<mpsc::Sender<Message>> {
        let mut members = lock(&self.members);
        members.all.retain(|member| !member.is_closed());
        let mut live = members.all.clone();
        if !live.is_empty() {
            members.turn = (members.turn + 1) % live.len();
            live.rotate_left(members.turn);
        }
        live
    }
}

/// Counts one delivery for as long as it exists, also when it is given up.
struct Counted<'a>(&'a AtomicU64);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
