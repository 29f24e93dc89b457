//! What an outbox holds and a bus delivers.

use bytes::Bytes;

use crate::topic::Bucket;

/// One thing to deliver. Delivering it twice is harmless: a message carries an id, a value carries a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// A message to a stream that keeps it until its consumer has acknowledged it.
    Message {
        subject: String,
        /// The stream drops a second message with this id within its duplicate window; consumers must not rely on it.
        id: String,
        headers: Vec<(&'static str, String)>,
        payload: Bytes,
    },
    /// The new last value of `key`. Ignored when the bucket already holds this version or a newer one.
    State { bucket: Bucket, key: String, version: u64, value: Bytes },
}
