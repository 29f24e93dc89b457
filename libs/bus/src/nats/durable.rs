//! The durable consumer at the server: what it should be, what the server made of it, and making it anew.
//!
//! Guarantee: a consumer that is opened here delivers every message of its stream that was not acknowledged through it.
//! What a server may keep under our name instead would skip messages without a word: a consumer that needs no
//! acknowledgement or begins with new messages only, or one that is further than its stream, after the stream alone was
//! rolled back. Such a consumer is replaced by one that begins at the first message. What was dealt with before comes
//! again then, which those who consume are ready for anyway.

use async_nats::jetstream::{
    consumer::{AckPolicy, Config, DeliverPolicy, Info, PullConsumer, pull},
    context::{ConsumerInfoError, ConsumerInfoErrorKind},
    stream::{ConsumerError, ConsumerErrorKind},
};

use super::{Link, publish, streams};
use crate::{BusError, ConsumerSpec};

const DELIVER_FOR_EVER: i64 = -1;

/// A consumer and its stream, at one moment.
pub(super) struct Standing {
    pub(super) consumer: Option<Info>,
    /// The last sequence of the stream. Read after the consumer, so that a consumer beyond it is not just overtaken.
    last_sequence: u64,
}

pub(super) async fn look(link: &Link, spec: &ConsumerSpec) -> Result<Standing, BusError> {
    link.require_connection()?;
    // Only a handle; nothing is sent yet.
    let stream = link
        .jetstream
        .get_stream_no_info(spec.stream)
        .await
        .map_err(|error| BusError::Refused(format!("stream {}: {error}", spec.stream)))?;
    let consumer = match stream.consumer_info(spec.name).await {
        Ok(info) => Some(info),
        Err(error) => not_there(spec, &error)?,
    };
    let last_sequence = streams::info(link, spec.stream).await?.state.last_sequence;
    Ok(Standing { consumer, last_sequence })
}

/// Opens the consumer as it should be; makes it, or changes it, where it is not.
pub(super) async fn open(link: &Link, spec: &ConsumerSpec) -> Result<PullConsumer, BusError> {
    let standing = look(link, spec).await?;
    let begin = match (&standing.consumer, standing.fault()) {
        (Some(_), Some(fault)) => {
            tracing::warn!(bus.consumer = spec.name, bus.fault = fault, "the consumer at the server is made anew");
            discard(link, spec).await?;
            DeliverPolicy::All
        }
        // A server refuses to change where an existing consumer began.
        (Some(info), None) => info.config.deliver_policy,
        (None, _) => DeliverPolicy::All,
    };
    create(link, spec, begin).await
}

/// Replaces a consumer that was found to be stuck. If another process did so meanwhile, its consumer is opened.
pub(super) async fn replace(link: &Link, spec: &ConsumerSpec, stuck: &Info) -> Result<PullConsumer, BusError> {
    let standing = look(link, spec).await?;
    match &standing.consumer {
        Some(info) if info.created == stuck.created => {
            discard(link, spec).await?;
            create(link, spec, standing.behind_acknowledged(info)).await
        }
        _ => open(link, spec).await,
    }
}

impl Standing {
    /// What makes the consumer skip messages, if anything does.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let info = self.consumer.as_ref()?;
        if info.config.ack_policy != AckPolicy::Explicit {
            return Some("it does not wait for acknowledgements");
        }
        if info.config.deliver_subject.is_some() {
            return Some("it pushes to a subject");
        }
        let begins_early =
            matches!(info.config.deliver_policy, DeliverPolicy::All | DeliverPolicy::ByStartSequence { .. });
        if !begins_early {
            return Some("it leaves out what was there before it");
        }
        (info.delivered.stream_sequence > self.last_sequence).then_some("it is further than its stream")
    }

    /// Where a replacement begins: behind what is acknowledged, which spares the server days of messages. Nothing
    /// depends on it: where sequence numbers are in doubt it is the first message.
    fn behind_acknowledged(&self, info: &Info) -> DeliverPolicy {
        match info.ack_floor.stream_sequence {
            0 => DeliverPolicy::All,
            floor if floor > self.last_sequence => DeliverPolicy::All,
            floor => DeliverPolicy::ByStartSequence { start_sequence: floor + 1 },
        }
    }
}

async fn create(link: &Link, spec: &ConsumerSpec, begin: DeliverPolicy) -> Result<PullConsumer, BusError> {
    let config = pull::Config {
        durable_name: Some(spec.name.to_owned()),
        deliver_policy: begin,
        ack_policy: AckPolicy::Explicit,
        // No `backoff`: it would take the place of `ack_wait`.
        ack_wait: spec.ack_wait,
        max_deliver: DELIVER_FOR_EVER,
        filter_subject: spec.subject.clone(),
        max_ack_pending: i64::try_from(spec.max_in_flight.max(1)).unwrap_or(i64::MAX),
        ..pull::Config::default()
    };
    let made = link.jetstream.create_consumer_on_stream(config.clone(), spec.stream).await;
    let consumer: PullConsumer = made.map_err(|error| refusal(spec.stream, &error))?;
    // A server drops what it does not know without an error, so what it made of it is read back.
    match difference(&config, &consumer.cached_info().config) {
        None => Ok(consumer),
        Some(problem) => Err(BusError::Refused(format!("consumer {} on {}: {problem}", spec.name, spec.stream))),
    }
}

async fn discard(link: &Link, spec: &ConsumerSpec) -> Result<(), BusError> {
    let discarded = link.jetstream.delete_consumer_from_stream(spec.name, spec.stream).await;
    discarded.map(drop).map_err(|error| refusal(spec.stream, &error))
}

/// Names the first field whose difference changes what those who consume may rely on.
fn difference(wanted: &pull::Config, made: &Config) -> Option<String> {
    fn differs<T: PartialEq + std::fmt::Debug>(field: &str, wanted: T, made: T) -> Option<String> {
        (wanted != made).then(|| format!("{field} is {made:?} instead of {wanted:?}"))
    }
    differs("ack_policy", wanted.ack_policy, made.ack_policy)
        .or_else(|| differs("ack_wait", wanted.ack_wait, made.ack_wait))
        .or_else(|| differs("backoff", &wanted.backoff, &made.backoff))
        .or_else(|| differs("max_deliver", wanted.max_deliver, made.max_deliver))
        .or_else(|| differs("filter_subject", &wanted.filter_subject, &made.filter_subject))
        .or_else(|| differs("max_ack_pending", wanted.max_ack_pending, made.max_ack_pending))
        .or_else(|| differs("deliver_policy", wanted.deliver_policy, made.deliver_policy))
        .or_else(|| differs("headers_only", wanted.headers_only, made.headers_only))
}

pub(super) fn refusal(stream: &str, error: &ConsumerError) -> BusError {
    match error.kind() {
        ConsumerErrorKind::JetStream(server) => publish::from_server(stream, &server),
        ConsumerErrorKind::TimedOut | ConsumerErrorKind::Request | ConsumerErrorKind::Other => {
            BusError::Unavailable(format!("consumer on {stream}: {error}"))
        }
        ConsumerErrorKind::InvalidConsumerType | ConsumerErrorKind::InvalidName => {
            BusError::Refused(format!("consumer on {stream}: {error}"))
        }
    }
}

fn not_there(spec: &ConsumerSpec, error: &ConsumerInfoError) -> Result<Option<Info>, BusError> {
    match error.kind() {
        ConsumerInfoErrorKind::NotFound => Ok(None),
        ConsumerInfoErrorKind::StreamNotFound => Err(publish::missing(spec.stream)),
        ConsumerInfoErrorKind::JetStream(server) => Err(publish::from_server(spec.stream, &server)),
        ConsumerInfoErrorKind::InvalidName => Err(BusError::Refused(format!("consumer {}: {error}", spec.name))),
        ConsumerInfoErrorKind::Offline
        | ConsumerInfoErrorKind::Request
        | ConsumerInfoErrorKind::TimedOut
        | ConsumerInfoErrorKind::NoResponders => Err(BusError::Unavailable(format!("consumer {}: {error}", spec.name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_that_differs_is_named_by_its_field() {
        let wanted = pull::Config { max_deliver: DELIVER_FOR_EVER, ..pull::Config::default() };
        let made = Config { max_deliver: DELIVER_FOR_EVER, ..Config::default() };
        assert_eq!(difference(&wanted, &made), None);
        let gives_up = Config { max_deliver: 5, ..made.clone() };
        assert!(difference(&wanted, &gives_up).is_some_and(|problem| problem.starts_with("max_deliver")));
        let hasty = Config { backoff: vec![std::time::Duration::from_secs(1)], ..made };
        assert!(difference(&wanted, &hasty).is_some_and(|problem| problem.starts_with("backoff")));
    }
}
