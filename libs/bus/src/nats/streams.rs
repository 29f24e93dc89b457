//! The streams this version needs. To add one, add a line to [`StreamTable::new`].

use std::time::Duration;

use async_nats::jetstream::{
    context::{CreateStreamError, CreateStreamErrorKind, GetStreamErrorKind},
    stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType},
};
use maas_events::{Bucket, topic};

use super::{
    Link, NatsConfig,
    publish::{from_server, missing},
};
use crate::{BusError, subject};

const AUDIT_MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const DUPLICATE_WINDOW: Duration = Duration::from_secs(2 * 60);
const UNLIMITED: i64 = -1;

pub(super) struct StreamTable {
    streams: Vec<Config>,
}

impl StreamTable {
    pub(super) fn new(config: &NatsConfig) -> Self {
        let usage = Config {
            max_age: config.usage_max_age,
            max_bytes: config.usage_max_bytes,
            // Refused messages stay in the proxies' journals; pushed out ones would be resent only after a gap.
            discard: DiscardPolicy::New,
            ..stream(config, topic::USAGE_STREAM, format!("{}.>", topic::USAGE_SUBJECT_PREFIX))
        };
        let audit = Config {
            max_age: AUDIT_MAX_AGE,
            discard: DiscardPolicy::Old,
            ..stream(config, topic::AUDIT_STREAM, topic::AUDIT_SUBJECT.to_owned())
        };
        let states = Bucket::ALL.map(|bucket| Config {
            max_messages_per_subject: 1,
            // The last value of a subject is replaced all the same. Should a limit of the account be reached, then a
            // refused new value is tried again, whereas an old value pushed out would be a key silently gone.
            discard: DiscardPolicy::New,
            ..stream(config, bucket.stream(), bucket.subject("*"))
        });
        Self { streams: [usage, audit].into_iter().chain(states).collect() }
    }

    pub(super) fn stream_of(&self, subject: &str) -> Option<&str> {
        let takes = |stream: &&Config| stream.subjects.iter().any(|filter| subject::matches(filter, subject));
        self.streams.iter().find(takes).map(|stream| stream.name.as_str())
    }

    pub(super) async fn provision(&self, link: &Link) -> Result<(), BusError> {
        for wanted in &self.streams {
            match current(link, &wanted.name).await {
                Err(BusError::NotProvisioned { .. }) => create(link, wanted).await?,
                Err(error) => return Err(error),
                Ok(current) => update(link, wanted, &current).await?,
            }
        }
        // A server drops what it does not know without an error, so what it made of it is read back.
        self.check(link).await
    }

    pub(super) async fn check(&self, link: &Link) -> Result<(), BusError> {
        for wanted in &self.streams {
            let current = current(link, &wanted.name).await?;
            if let Some(problem) = difference(wanted, &current) {
                return Err(BusError::NotProvisioned { stream: wanted.name.clone(), problem });
            }
        }
        Ok(())
    }
}

fn stream(config: &NatsConfig, name: &str, subject: String) -> Config {
    Config {
        name: name.to_owned(),
        subjects: vec![subject],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        num_replicas: config.replicas.max(1),
        duplicate_window: DUPLICATE_WINDOW,
        max_bytes: UNLIMITED,
        max_messages: UNLIMITED,
        max_messages_per_subject: UNLIMITED,
        ..Config::default()
    }
}

async fn current(link: &Link, name: &str) -> Result<Config, BusError> {
    info(link, name).await.map(|info| info.config)
}

/// What the server says of a stream.
pub(super) async fn info(link: &Link, name: &str) -> Result<Info, BusError> {
    link.require_connection()?;
    match link.jetstream.get_stream(name).await {
        Ok(stream) => Ok(stream.cached_info().clone()),
        Err(error) => Err(match error.kind() {
            GetStreamErrorKind::JetStream(server) => from_server(name, &server),
            GetStreamErrorKind::Request => BusError::Unavailable(format!("stream {name}: {error}")),
            GetStreamErrorKind::EmptyName | GetStreamErrorKind::InvalidStreamName => {
                BusError::Refused(format!("stream {name}: {error}"))
            }
        }),
    }
}

async fn create(link: &Link, wanted: &Config) -> Result<(), BusError> {
    link.jetstream.create_stream(wanted).await.map_err(|error| changed(&wanted.name, &error))?;
    tracing::info!(stream = %wanted.name, "created the stream");
    Ok(())
}

/// Sets our fields and leaves the others (placement, description) as an operator has set them.
async fn update(link: &Link, wanted: &Config, current: &Config) -> Result<(), BusError> {
    let updated = Config {
        subjects: wanted.subjects.clone(),
        retention: wanted.retention,
        storage: wanted.storage,
        discard: wanted.discard,
        max_age: wanted.max_age,
        max_bytes: wanted.max_bytes,
        max_messages: wanted.max_messages,
        max_messages_per_subject: wanted.max_messages_per_subject,
        duplicate_window: wanted.duplicate_window,
        num_replicas: wanted.num_replicas,
        ..current.clone()
    };
    if updated == *current {
        return Ok(());
    }
    link.jetstream.update_stream(&updated).await.map_err(|error| changed(&wanted.name, &error))?;
    tracing::info!(stream = %wanted.name, "updated the stream");
    Ok(())
}

fn changed(stream: &str, error: &CreateStreamError) -> BusError {
    match error.kind() {
        CreateStreamErrorKind::JetStream(server) => from_server(stream, &server),
        CreateStreamErrorKind::NotFound => missing(stream),
        CreateStreamErrorKind::TimedOut
        | CreateStreamErrorKind::JetStreamUnavailable
        | CreateStreamErrorKind::Response => BusError::Unavailable(format!("stream {stream}: {error}")),
        CreateStreamErrorKind::EmptyStreamName
        | CreateStreamErrorKind::InvalidStreamName
        | CreateStreamErrorKind::DomainAndExternalSet
        | CreateStreamErrorKind::ResponseParse => BusError::Refused(format!("stream {stream}: {error}")),
    }
}

/// Names the first field whose difference changes what the services may rely on. Sizes and replicas are the
/// operator's and are not compared.
fn difference(wanted: &Config, current: &Config) -> Option<String> {
    fn differs<T: PartialEq + std::fmt::Debug>(field: &str, wanted: T, current: T) -> Option<String> {
        (wanted != current).then(|| format!("{field} is {current:?} instead of {wanted:?}"))
    }
    differs("subjects", &wanted.subjects, &current.subjects)
        .or_else(|| differs("retention", wanted.retention, current.retention))
        .or_else(|| differs("storage", wanted.storage, current.storage))
        .or_else(|| differs("discard", wanted.discard, current.discard))
        .or_else(|| differs("max_age", wanted.max_age, current.max_age))
        .or_else(|| {
            let (wanted, current) = (wanted.max_messages_per_subject, current.max_messages_per_subject);
            differs("max_msgs_per_subject", wanted, current)
        })
        .or_else(|| differs("duplicate_window", wanted.duplicate_window, current.duplicate_window))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn table() -> StreamTable {
        StreamTable::new(&NatsConfig::new("nats://127.0.0.1", "test"))
    }

    #[test]
    fn every_subject_in_use_has_its_stream() {
        let table = table();
        assert_eq!(table.stream_of(&topic::usage_subject(3)), Some(topic::USAGE_STREAM));
        assert_eq!(table.stream_of(topic::AUDIT_SUBJECT), Some(topic::AUDIT_STREAM));
        for bucket in Bucket::ALL {
            assert_eq!(table.stream_of(&bucket.subject("00ff")), Some(bucket.stream()));
        }
        assert_eq!(table.stream_of(topic::WATERMARK_SUBJECT), None);
    }

    #[test]
    fn difference_names_the_field() {
        let wanted = &table().streams[0];
        assert_eq!(difference(wanted, wanted), None);
        let shorter = Config { max_age: Duration::from_secs(60), ..wanted.clone() };
        assert!(difference(wanted, &shorter).unwrap().starts_with("max_age"));
        let lossy = Config { discard: DiscardPolicy::Old, ..wanted.clone() };
        assert!(difference(wanted, &lossy).unwrap().starts_with("discard"));
    }
}
