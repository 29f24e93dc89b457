//! Everything there is of a bucket, from its owner over internal HTTP.
//!
//! It runs beside the watches of the bus, and whichever is first makes the bucket complete: values carry versions, so the
//! order does not matter. An answer that breaks off is taken over as far as it goes but completes nothing.

use std::{sync::Arc, time::Duration};

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::StreamExt as _;
use maas_events::Bucket;
use maas_http::{AddressGuard, ClientError, ControlOptions, control_client};
use maas_runtime::process::Process;

use super::watch::Applier;
use crate::settings::StateSources;

/// Values that are taken over together.
const BATCH: usize = 2_048;
/// No value is larger; a longer one is no value of ours.
const LARGEST_VALUE: usize = 4 * 1024 * 1024;
/// A million keys take seconds; what takes longer is not worth waiting for beside the bus.
const LOAD_WITHIN: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error("the owner cannot be asked")]
    Http(#[from] reqwest::Error),
    #[error("the answer is not a list of length-delimited messages")]
    Malformed,
    #[error("the answer broke off")]
    BrokenOff,
}

/// Loads from the owners that are configured.
pub struct Loader {
    client: reqwest::Client,
    sources: StateSources,
    applier: Arc<Applier>,
}

impl Loader {
    pub fn new(sources: StateSources, applier: Arc<Applier>) -> Result<Self, ClientError> {
        let guard = AddressGuard::with_loopback();
        let client = control_client(&ControlOptions { guard, timeout: LOAD_WITHIN, ..ControlOptions::default() })?;
        Ok(Self { client, sources, applier })
    }

    /// Whether everything was loaded: it holds what the owner had when this was called.
    pub async fn load(&self, bucket: Bucket) -> bool {
        let Some(url) = self.sources.url(bucket) else { return false };
        let request = self.client.get(url).bearer_auth(self.sources.internal_token.expose());
        match load(request, &self.applier, bucket).await {
            Ok(values) => {
                self.applier.note_complete(bucket);
                tracing::info!(bucket = bucket.as_str(), values, "state loaded from its owner");
                true
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::warn!(bucket = bucket.as_str(), %error, cause, "state comes from the bus alone");
                false
            }
        }
    }

    /// Spawns a load of each of these buckets.
    pub fn spawn(self, buckets: impl IntoIterator<Item = Bucket>, process: &Process) {
        let loader = Arc::new(self);
        for bucket in buckets {
            let loader = loader.clone();
            process.lifecycle.spawn(format!("proxy {} load", bucket.as_str()), async move {
                loader.load(bucket).await;
                Ok(())
            });
        }
    }
}

async fn load(request: reqwest::RequestBuilder, applier: &Applier, bucket: Bucket) -> Result<usize, LoadError> {
    let mut parts = request.send().await?.error_for_status()?.bytes_stream();
    let mut buffer = BytesMut::new();
    let mut loaded = 0;
    while let Some(part) = parts.next().await {
        buffer.extend_from_slice(&part?);
        loop {
            let values = take_values(&mut buffer)?;
            if values.is_empty() {
                break;
            }
            loaded += values.len();
            applier.room().await;
            applier.apply(bucket, values);
        }
    }
    if buffer.is_empty() { Ok(loaded) } else { Err(LoadError::BrokenOff) }
}

/// The whole messages at the start of the buffer, a batch at most; what is left of it waits for more.
fn take_values(buffer: &mut BytesMut) -> Result<Vec<Bytes>, LoadError> {
    let mut values = Vec::new();
    while values.len() < BATCH {
        let mut ahead = &buffer[..];
        let Ok(length) = prost::decode_length_delimiter(&mut ahead) else {
            // A length has at most ten bytes; with fewer it may still be on its way.
            return if buffer.len() < 10 { Ok(values) } else { Err(LoadError::Malformed) };
        };
        if length > LARGEST_VALUE {
            return Err(LoadError::Malformed);
        }
        let head = buffer.len() - ahead.len();
        if ahead.len() < length {
            break;
        }
        buffer.advance(head);
        values.push(buffer.split_to(length).freeze());
    }
    Ok(values)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn values_come_out_whole_however_they_were_split() {
        let mut wire = Vec::new();
        for value in [&b"one"[..], b"", &[7; 300]] {
            prost::encode_length_delimiter(value.len(), &mut wire).unwrap();
            wire.extend_from_slice(value);
        }
        let mut buffer = BytesMut::new();
        let mut values = Vec::new();
        for byte in wire {
            buffer.extend_from_slice(&[byte]);
            values.extend(take_values(&mut buffer).unwrap());
        }
        assert_eq!(values, [&b"one"[..], b"", &[7; 300]]);
        assert!(buffer.is_empty());
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert!(take_values(&mut BytesMut::from(&[0xff; 32][..])).is_err());
        assert!(take_values(&mut BytesMut::from(&[0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3, 4, 5, 6][..])).is_err());
    }
}
