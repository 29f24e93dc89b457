//! Last values into a bucket's stream.

use async_nats::jetstream::{
    message::{PublishMessage, StreamMessage},
    stream::LastRawMessageErrorKind,
};
use bytes::Bytes;
use maas_events::Bucket;

use super::{
    Link,
    publish::{self, PublishFailure},
};
use crate::BusError;

/// The version of a value.
pub(super) const VERSION_HEADER: &str = "Maas-Version";
/// Each lost race means that another writer got through, so this many in a row mean something else.
const ATTEMPTS: usize = 16;

/// Order: read the last value, then publish on the condition that it still is the last. A write that got between
/// fails the condition, and everything begins again; so an older version never follows a newer one.
pub(super) async fn put(link: &Link, bucket: Bucket, key: &str, version: u64, value: Bytes) -> Result<(), BusError> {
    for _ in 0..ATTEMPTS {
        let last = last_value(link, bucket, key).await?;
        if last.as_ref().and_then(held_version).is_some_and(|held| held >= version) {
            return Ok(());
        }
        let message = PublishMessage::build()
            .payload(value.clone())
            .header(VERSION_HEADER, version.to_string().as_str())
            .expected_last_subject_sequence(last.map_or(0, |message| message.sequence));
        match publish::publish(link, bucket.stream(), bucket.subject(key), message).await {
            Err(PublishFailure::WrongLastSequence) => {}
            stored => return stored.map_err(|failure| failure.into_bus_error(bucket.stream())),
        }
    }
    Err(BusError::Unavailable(format!("`{}` is being changed too often", bucket.subject(key))))
}

async fn last_value(link: &Link, bucket: Bucket, key: &str) -> Result<Option<StreamMessage>, BusError> {
    let stream = bucket.stream();
    // Only a handle; nothing is sent yet.
    let handle = link
        .jetstream
        .get_stream_no_info(stream)
        .await
        .map_err(|error| BusError::Refused(format!("stream {stream}: {error}")))?;
    match handle.get_last_raw_message_by_subject(&bucket.subject(key)).await {
        Ok(message) => Ok(Some(message)),
        Err(error) => match error.kind() {
            LastRawMessageErrorKind::NoMessageFound => Ok(None),
            LastRawMessageErrorKind::InvalidSubject => Err(BusError::Refused(format!("`{key}` is no key"))),
            LastRawMessageErrorKind::JetStream(server) => Err(publish::from_server(stream, &server)),
            LastRawMessageErrorKind::Other => Err(BusError::Unavailable(format!("stream {stream}: {error}"))),
        },
    }
}

/// A message without a readable version is not ours: any version may replace it.
fn held_version(message: &StreamMessage) -> Option<u64> {
    message.headers.get(VERSION_HEADER)?.as_str().parse().ok()
}
