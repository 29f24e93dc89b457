//! Messages into streams, and what the server's refusals mean.

use std::error::Error as _;

use async_nats::jetstream::{
    self, ErrorCode,
    context::{PublishError, PublishErrorKind},
    message::PublishMessage,
};
use bytes::Bytes;

use super::{Link, SERVER_TIMEOUT, streams::StreamTable};
use crate::BusError;

/// Returns when the server has stored the message, or already held one with this id.
pub(super) async fn message(
    link: &Link,
    streams: &StreamTable,
    subject: String,
    id: &str,
    headers: Vec<(&'static str, String)>,
    payload: Bytes,
) -> Result<(), BusError> {
    let mut message = PublishMessage::build().payload(payload).message_id(id);
    for (name, value) in headers {
        message = message.header(name, value.as_str());
    }
    let stream = streams.stream_of(&subject).unwrap_or(&subject).to_owned();
    publish(link, &stream, subject, message).await.map_err(|failure| failure.into_bus_error(&stream))
}

/// Why the server did not store a message.
pub(super) enum PublishFailure {
    /// The subject has got another message than the one expected to be its last.
    WrongLastSequence,
    NoStream,
    Unavailable(String),
    Refused(String),
}

impl PublishFailure {
    pub(super) fn into_bus_error(self, stream: &str) -> BusError {
        match self {
            Self::WrongLastSequence => BusError::Unavailable("the last message of the subject changed".to_owned()),
            Self::NoStream => BusError::NotProvisioned {
                stream: stream.to_owned(),
                problem: "no stream takes this subject".to_owned(),
            },
            Self::Unavailable(problem) => BusError::Unavailable(problem),
            Self::Refused(problem) => BusError::Refused(problem),
        }
    }
}

pub(super) async fn publish(
    link: &Link,
    stream: &str,
    subject: String,
    message: PublishMessage,
) -> Result<(), PublishFailure> {
    let stored = async { link.jetstream.send_publish(subject, message).await?.await };
    match tokio::time::timeout(SERVER_TIMEOUT, stored).await {
        // A duplicate was stored before, which is as good.
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(classify(&error)),
        Err(_) => Err(PublishFailure::Unavailable(format!("stream {stream} did not confirm in time"))),
    }
}

fn classify(error: &PublishError) -> PublishFailure {
    match error.kind() {
        PublishErrorKind::WrongLastSequence => PublishFailure::WrongLastSequence,
        PublishErrorKind::StreamNotFound => PublishFailure::NoStream,
        PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe | PublishErrorKind::MaxAckPending => {
            PublishFailure::Unavailable(error.to_string())
        }
        PublishErrorKind::WrongLastMessageId | PublishErrorKind::MaxPayloadExceeded => {
            PublishFailure::Refused(error.to_string())
        }
        PublishErrorKind::Other => match server_error(error) {
            Some(server) if !passes(server) => PublishFailure::Refused(error.to_string()),
            _ => PublishFailure::Unavailable(error.to_string()),
        },
    }
}

/// The server's own answer, if the error carries one; without one, the answer did not come.
fn server_error(error: &PublishError) -> Option<&jetstream::Error> {
    error.source()?.downcast_ref()
}

/// True for answers that change with time: a full stream or disk, a cluster without a leader.
pub(super) fn passes(error: &jetstream::Error) -> bool {
    const UNAVAILABLE: usize = 503;
    const FULL: [ErrorCode; 5] = [
        ErrorCode::STREAM_STORE_FAILED,
        ErrorCode::STORAGE_RESOURCES_EXCEEDED,
        ErrorCode::MEMORY_RESOURCES_EXCEEDED,
        ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
        ErrorCode::INSUFFICIENT_RESOURCES,
    ];
    error.code() == UNAVAILABLE || FULL.contains(&error.error_code())
}

/// A refusal of the JetStream interface about a stream.
pub(super) fn from_server(stream: &str, error: &jetstream::Error) -> BusError {
    match error.error_code() {
        ErrorCode::STREAM_NOT_FOUND => missing(stream),
        _ if passes(error) => BusError::Unavailable(format!("stream {stream}: {error}")),
        _ => BusError::Refused(format!("stream {stream}: {error}")),
    }
}

pub(super) fn missing(stream: &str) -> BusError {
    BusError::NotProvisioned { stream: stream.to_owned(), problem: "is missing".to_owned() }
}
