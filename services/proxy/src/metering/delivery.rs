//! Handing messages to the bus, without waiting for ever and without a log line for each attempt.
//!
//! What is not delivered stays in the journal and is tried again, under the same id: a message that has arrived all the
//! same, or arrives later, is found to be a duplicate.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use maas_bus::{BusError, SharedBus};
use maas_events::Delivery;

/// In process, a delivery ends when its consumer has committed it: while the ledger is held up it would wait for ever,
/// and the heartbeats behind it.
pub const DELIVER_WITHIN: Duration = Duration::from_secs(30);
/// How often the same complaint is worth a line.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

pub struct Deliverer {
    bus: SharedBus,
    within: Duration,
    /// When a failure was last told of; `None` while all is well.
    complained_at: Mutex<Option<Instant>>,
}

impl Deliverer {
    pub fn new(bus: SharedBus, within: Duration) -> Self {
        Self { bus, within, complained_at: Mutex::default() }
    }

    /// False if it has to be tried again.
    pub async fn deliver(&self, delivery: Delivery) -> bool {
        match tokio::time::timeout(self.within, self.bus.deliver(delivery)).await {
            Ok(Ok(())) => {
                self.note_delivered();
                true
            }
            Ok(Err(error)) => {
                self.complain(&error);
                false
            }
            Err(_) => {
                self.complain(&BusError::Unavailable(format!("not taken within {:?}", self.within)));
                false
            }
        }
    }

    fn note_delivered(&self) {
        if self.complained_at().take().is_some() {
            tracing::info!("usage is taken by the bus again");
        }
    }

    fn complain(&self, error: &BusError) {
        let is_due = |at: &Option<Instant>| at.is_none_or(|at| at.elapsed() >= COMPLAIN_EVERY);
        let mut complained_at = self.complained_at();
        if !is_due(&complained_at) {
            return;
        }
        *complained_at = Some(Instant::now());
        drop(complained_at);
        let hint = match error {
            BusError::Unavailable(_) | BusError::NoAnswer(_) => {
                "it goes on by itself when the bus and usage-ingest are back"
            }
            BusError::NotProvisioned { .. } => "run `maas-proxy migrate`",
            BusError::Refused(_) => "look at the limits of the stream MAAS_USAGE and the rights of this user",
        };
        tracing::warn!(error = %error, hint, "usage is not delivered and waits in the journal");
    }

    fn complained_at(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.complained_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use maas_bus::{Bus as _, ConsumerSpec, InProcessBus};
    use maas_events::topic::{USAGE_STREAM, usage_subject};

    use super::*;

    #[tokio::test]
    async fn a_message_that_the_ledger_holds_is_given_up_and_taken_when_it_comes_again() {
        let bus = InProcessBus::new();
        let subject = "maas.usage.v1.>".to_owned();
        let ack_wait = Duration::from_secs(30);
        let spec = ConsumerSpec { stream: USAGE_STREAM, name: "test", subject, ack_wait, max_in_flight: 4 };
        let mut consumer = bus.consume(spec).await.unwrap();
        let deliverer = Deliverer::new(Arc::new(bus), Duration::from_millis(50));
        let message = || Delivery::Message {
            subject: usage_subject(0),
            id: "1".to_owned(),
            headers: Vec::new(),
            payload: bytes::Bytes::new(),
        };
        assert!(!deliverer.deliver(message()).await);
        let _held = consumer.next().await.unwrap();
        let again = async { consumer.next().await.unwrap().ack().await.unwrap() };
        let patient = Deliverer { within: Duration::from_secs(10), ..deliverer };
        assert!(tokio::join!(patient.deliver(message()), again).0);
    }
}
