//! Broadcasts, questions and answers: core NATS, nothing is kept.
//!
//! The client subscribes again by itself after a reconnect, so these parts end only with the bus.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use async_nats::{Client, Request, RequestErrorKind, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::{Semaphore, mpsc};

use super::{Link, SERVER_TIMEOUT};
use crate::{BusError, Responder};

/// Broadcasts kept for a listener that is behind.
const LISTENER_CAPACITY: usize = 256;
/// Questions of one subject answered at the same time by this process.
const PARALLEL_ANSWERS: usize = 64;
/// One group for all: the subject already tells the purposes apart.
const RESPONDERS: &str = "maas-responders";

pub(super) async fn broadcast(link: &Link, subject: &'static str, payload: Bytes) -> Result<(), BusError> {
    link.require_connection()?;
    link.client.publish(subject, payload).await.map_err(|error| BusError::Unavailable(error.to_string()))
}

pub(super) async fn listen(link: Link, subject: &'static str) -> Result<mpsc::Receiver<Bytes>, BusError> {
    link.require_connection()?;
    let heard = link.client.subscribe(subject).await.map_err(|error| BusError::Refused(error.to_string()))?;
    confirm_subscriptions(&link.client).await?;
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        tokio::select! {
            () = forward_broadcasts(heard, sender) => {}
            () = link.closed.cancelled() => {}
        }
    });
    Ok(receiver)
}

pub(super) async fn ask(
    link: &Link,
    subject: &'static str,
    question: Bytes,
    timeout: Duration,
) -> Result<Bytes, BusError> {
    link.require_connection()?;
    let request = Request::new().payload(question).timeout(Some(timeout));
    match link.client.send_request(subject, request).await {
        Ok(answer) => Ok(answer.payload),
        Err(error) => Err(match error.kind() {
            RequestErrorKind::NoResponders | RequestErrorKind::TimedOut => BusError::NoAnswer(subject.to_owned()),
            RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                BusError::Refused(error.to_string())
            }
            RequestErrorKind::Other => BusError::Unavailable(error.to_string()),
        }),
    }
}

pub(super) async fn respond(link: Link, subject: &'static str, responder: Responder) -> Result<(), BusError> {
    link.require_connection()?;
    let questions = link
        .client
        .queue_subscribe(subject, RESPONDERS.to_owned())
        .await
        .map_err(|error| BusError::Refused(error.to_string()))?;
    confirm_subscriptions(&link.client).await?;
    tokio::spawn(async move {
        tokio::select! {
            () = answer_questions(link.client.clone(), questions, responder) => {}
            () = link.closed.cancelled() => {}
        }
    });
    Ok(())
}

async fn answer_questions(client: Client, mut questions: Subscriber, responder: Responder) {
    let parallel = Arc::new(Semaphore::new(PARALLEL_ANSWERS));
    while let Some(question) = questions.next().await {
        let Some(reply) = question.reply else { continue };
        let Ok(permit) = Arc::clone(&parallel).acquire_owned().await else { return };
        let (client, responder) = (client.clone(), Arc::clone(&responder));
        // Its own task, so that a responder that panics leaves this one alive: the asker gets no answer.
        tokio::spawn(async move {
            if let Err(error) = client.publish(reply, responder(question.payload).await).await {
                tracing::debug!(error = %error, "could not send an answer");
            }
            drop(permit);
        });
    }
}

/// A message to ourselves comes back after the server has seen every earlier subscription of this connection.
async fn confirm_subscriptions(client: &Client) -> Result<(), BusError> {
    let failure = |problem: String| BusError::Unavailable(format!("subscribing: {problem}"));
    let inbox = client.new_inbox();
    let mut echo = client.subscribe(inbox.clone()).await.map_err(|error| failure(error.to_string()))?;
    client.publish(inbox, Bytes::new()).await.map_err(|error| failure(error.to_string()))?;
    match tokio::time::timeout(SERVER_TIMEOUT, echo.next()).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) | Err(_) => Err(failure("no confirmation from the server".to_owned())),
    }
}

/// Takes what arrives at once, so that a slow listener costs its own oldest broadcasts and nothing else.
async fn forward_broadcasts(mut heard: Subscriber, listener: mpsc::Sender<Bytes>) {
    let mut backlog = VecDeque::new();
    loop {
        tokio::select! {
            message = heard.next() => {
                let Some(message) = message else { return };
                if backlog.len() == LISTENER_CAPACITY {
                    backlog.pop_front();
                }
                backlog.push_back(message.payload);
            }
            place = listener.reserve(), if !backlog.is_empty() => {
                let (Ok(place), Some(payload)) = (place, backlog.pop_front()) else { return };
                place.send(payload);
            }
            () = listener.closed() => return,
        }
    }
}
