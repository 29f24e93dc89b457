//! A message as the server hands it out, made into ours.
//!
//! A message that is dropped without an acknowledgement is given back to the server, which hands it to somebody else
//! at once: what a leaving process had fetched does not lie about for `ack_wait`. That is a courtesy and no promise; a
//! process that dies gives nothing back, and `ack_wait` is what brings its messages again.

use std::time::Duration;

use async_nats::{
    HeaderMap,
    jetstream::{
        self, AckKind,
        message::{Acker, Message as NatsMessage},
    },
};
use tokio::runtime::Handle;

use super::held::HeldBytes;
use crate::{BusError, Message};

/// Before a message that was given back comes again, so that a consumer that drops everything does not spin.
const REDELIVERY_PAUSE: Duration = Duration::from_millis(50);

/// Fails when it is no message of a stream.
pub(super) fn message(
    context: jetstream::Context,
    message: async_nats::Message,
    held: HeldBytes,
) -> Result<Message, String> {
    let message = NatsMessage { message, context };
    let info = message.info().map_err(|error| error.to_string())?;
    let (deliveries, pending) = (u64::try_from(info.delivered).unwrap_or(1), info.pending);
    let (message, acker) = message.split();
    let receipt = Receipt { acker: Some(acker), _held: held };
    Ok(Message {
        subject: message.subject.to_string(),
        headers: message.headers.as_ref().map(headers).unwrap_or_default(),
        payload: message.payload,
        deliveries,
        pending,
        acknowledge: Box::new(move || Box::pin(receipt.acknowledge())),
    })
}

/// What the server waits for.
struct Receipt {
    /// `None` once it was used.
    acker: Option<Acker>,
    _held: HeldBytes,
}

impl Receipt {
    /// Not confirmed by the server: an acknowledgement that gets lost costs one more delivery, which every consumer
    /// must be ready for anyway, and a confirmation would cost a round trip each time.
    async fn acknowledge(mut self) -> Result<(), BusError> {
        let Some(acker) = self.acker.take() else { return Ok(()) };
        acker.ack().await.map_err(|error| BusError::Unavailable(error.to_string()))
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        // Without a runtime the process is ending.
        let (Some(acker), Ok(runtime)) = (self.acker.take(), Handle::try_current()) else { return };
        runtime.spawn(async move {
            if let Err(error) = acker.ack_with(AckKind::Nak(Some(REDELIVERY_PAUSE))).await {
                tracing::debug!(error = %error, "could not give a message back; it comes again after its time");
            }
        });
    }
}

fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let pairs = headers.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    pairs.map(|(name, value)| (name.to_string(), value.as_str().to_owned())).collect()
}
