//! Requests for messages, and the one inbox that all answers go to.
//!
//! Guarantee: whatever a server hands out for a request of ours is read, however late. A request can outlive its
//! moment: it waits in the client while the connection is away, or in the socket of a frozen server, and is answered
//! right after, with everything that has piled up. So an interruption never changes the inbox. It is the same from the
//! first request to the last; only the number behind it tells which request the server speaks of, and what is said of
//! one that was given up is passed over, except for the messages. (The stream of messages that the client library offers
//! cannot do this: it has an inbox each, and asks by itself once the connection is back, whether it is read or not.)
//!
//! One request is open at a time. It asks for a limited number of messages and of bytes, and only while those that are
//! not dealt with leave room, so that what is held stays under [`MOST_HELD`] whatever the messages are like.

use async_nats::{
    StatusCode, Subscriber,
    jetstream::consumer::{PullConsumer, pull::BatchConfig},
};
use futures_util::StreamExt;
use tokio::time::{Duration, Instant, timeout, timeout_at};

use super::{Link, SERVER_TIMEOUT, held::Held, received};
use crate::{BusError, Message};

/// Most bytes of received messages that one consumer of this process holds without having acknowledged them.
const MOST_HELD: usize = 64 * 1024 * 1024;
/// Most bytes of the answer to one request, if the server allows no larger message.
const REQUEST_BYTES: usize = 16 * 1024 * 1024;
/// Subject, address for the acknowledgement and length of a message stand in one line, which a server limits to this.
const LONGEST_CONTROL_LINE: usize = 4 * 1024;
/// An unanswered request is renewed this often.
const EXPIRY: Duration = Duration::from_secs(10);
const HEARTBEAT: Duration = Duration::from_secs(2);
/// Two heartbeats without a sign of life mean that the server no longer knows the request.
const SILENCE: Duration = HEARTBEAT.saturating_mul(2);

/// The inbox of one consumer, and what has been asked for.
pub(super) struct Pull {
    link: Link,
    inbox: Subscriber,
    /// Of the inbox; the number of a request follows it.
    address: String,
    /// Requests made so far.
    requests: u64,
    open: Option<Request>,
    /// When the open request counts as lost. Set while waiting for it, so that nobody's slowness but the server's counts.
    lost_at: Option<Instant>,
    held: Held,
}

/// A request that is being answered.
struct Request {
    address: String,
    asked: usize,
    left: usize,
}

impl Pull {
    pub(super) async fn subscribe(link: Link) -> Result<Self, BusError> {
        link.require_connection()?;
        let address = format!("{}.", link.client.new_inbox());
        let inbox = link.client.subscribe(format!("{address}*")).await;
        let inbox = inbox.map_err(|error| BusError::Refused(format!("subscribing: {error}")))?;
        Ok(Self { link, inbox, address, requests: 0, open: None, lost_at: None, held: Held::nothing() })
    }

    /// Asks for up to `count` messages, unless the last request is still being answered. Waits for room first, as long
    /// as it takes.
    pub(super) async fn ask(&mut self, consumer: &PullConsumer, count: usize) -> Result<(), String> {
        if self.open.is_some() {
            return Ok(());
        }
        let max_bytes = self.request_bytes();
        // Twice, since a request that was given up may be answered beside the new one.
        self.held.at_most(MOST_HELD.saturating_sub(2 * max_bytes)).await;
        self.link.require_connection().map_err(|error| error.to_string())?;
        self.requests += 1;
        let address = format!("{}{}", self.address, self.requests);
        let request = BatchConfig {
            batch: count,
            max_bytes,
            expires: Some(EXPIRY),
            idle_heartbeat: HEARTBEAT,
            ..BatchConfig::default()
        };
        consumer.request_batch(request, address.as_str().into()).await.map_err(|error| error.to_string())?;
        self.open = Some(Request { address, asked: count, left: count });
        self.lost_at = None;
        Ok(())
    }

    /// The next message, `None` when the request is over and something has to be asked for, or the reason why it will
    /// not be answered. To be called after [`Pull::ask`]; giving it up loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<Message>, String> {
        while self.open.is_some() {
            let lost_at = *self.lost_at.get_or_insert_with(|| Instant::now() + SILENCE);
            let arrival = timeout_at(lost_at, self.inbox.next()).await.map_err(|_| "the server fell silent")?;
            let arrival = arrival.ok_or("the inbox was closed")?;
            if arrival.subject.starts_with(&self.address) {
                self.note_status(&arrival)?;
            } else {
                self.note_message();
                return self.received(arrival).map(Some);
            }
        }
        Ok(None)
    }

    /// Gives the open request up; see the module about what it may still bring.
    pub(super) fn give_up(&mut self) {
        self.open = None;
    }

    /// Gives what has arrived back to the server. What crosses with the farewell comes again after `ack_wait`.
    pub(super) async fn close(mut self) {
        if self.inbox.drain().await.is_err() {
            return;
        }
        while let Ok(Some(arrival)) = timeout(SERVER_TIMEOUT, self.inbox.next()).await {
            drop(self.received(arrival));
        }
    }

    /// Room for the largest message that the server would take: a smaller request would never be answered with it.
    fn request_bytes(&self) -> usize {
        let largest = self.link.client.server_info().max_payload.saturating_add(LONGEST_CONTROL_LINE);
        REQUEST_BYTES.max(largest)
    }

    /// A message does not say which request it answers. If it was one that had been given up, then the open one is over
    /// too early here, and the next one runs beside its rest.
    fn note_message(&mut self) {
        self.lost_at = None;
        self.open.take_if(|request| {
            request.left = request.left.saturating_sub(1);
            request.left == 0
        });
    }

    /// What the server says about a request instead of a message.
    fn note_status(&mut self, status: &async_nats::Message) -> Result<(), String> {
        let Some(request) = self.open.take_if(|request| request.address == status.subject.as_str()) else {
            return Ok(());
        };
        self.lost_at = None;
        match status.status {
            Some(StatusCode::IDLE_HEARTBEAT) => self.open = Some(request),
            Some(StatusCode::TIMEOUT) => {}
            // The next message would have been too large for the rest of this request.
            Some(StatusCode::REQUEST_TERMINATED) if request.left < request.asked => {}
            other => {
                let code = other.map_or(0, |code| code.as_u16());
                let description = status.description.as_deref().unwrap_or("without a reason");
                return Err(format!("the server ended the request: {code} {description}"));
            }
        }
        Ok(())
    }

    fn received(&self, arrival: async_nats::Message) -> Result<Message, String> {
        let held = self.held.hold(arrival.length);
        received::message(self.link.jetstream.clone(), arrival, held)
    }
}
