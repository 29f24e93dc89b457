//! Checks on what arrives: a message is only used after it passed here.

use maas_types::{Currency, EventId, Operation, Outcome, Timestamp, TokenCounts, UsageQuality, id::timestamp_of};
use uuid::Uuid;

use crate::usage::{Quality, Tokens, UsageEvent};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEvent {
    #[error("field `{0}` is not a UUID of 16 bytes")]
    NotAUuid(&'static str),
    #[error("event id is not a UUIDv7")]
    IdWithoutTime,
    #[error("sequence is 0")]
    NoSequence,
    #[error("admitted_at_ms {admitted_at_ms} is not the time in the event id ({id_ms})")]
    TimeMismatch { admitted_at_ms: i64, id_ms: i64 },
    #[error("field `{field}` has the unknown value `{value}`")]
    UnknownValue { field: &'static str, value: String },
    #[error("field `{0}` is out of range")]
    OutOfRange(&'static str),
}

/// The largest token count that is believed; above it the event is invalid (a database holds i64, sums hold more).
const MAX_TOKENS: u64 = 1 << 48;

/// A UUID from its 16 bytes; empty bytes are `None`.
pub fn optional_uuid(field: &'static str, bytes: &[u8]) -> Result<Option<Uuid>, InvalidEvent> {
    if bytes.is_empty() {
        return Ok(None);
    }
    Uuid::from_slice(bytes).map(Some).map_err(|_| InvalidEvent::NotAUuid(field))
}

pub fn required_uuid(field: &'static str, bytes: &[u8]) -> Result<Uuid, InvalidEvent> {
    Uuid::from_slice(bytes).map_err(|_| InvalidEvent::NotAUuid(field))
}

/// What every usage event must satisfy before it is stored. Says nothing about time windows, that is the ledger's rule.
pub fn usage_event(event: &UsageEvent) -> Result<EventId, InvalidEvent> {
    let id = required_uuid("id", &event.id)?;
    if id.get_version_num() != 7 {
        return Err(InvalidEvent::IdWithoutTime);
    }
    if event.sequence == 0 || i64::try_from(event.sequence).is_err() {
        return Err(InvalidEvent::NoSequence);
    }
    let id_ms = timestamp_of(id).unix_ms();
    if event.admitted_at_ms != id_ms {
        return Err(InvalidEvent::TimeMismatch { admitted_at_ms: event.admitted_at_ms, id_ms });
    }
    for (field, bytes) in [("user_id", &event.user_id), ("model_id", &event.model_id)] {
        required_uuid(field, bytes)?;
    }
    for (field, bytes) in [
        ("key_id", &event.key_id),
        ("team_id", &event.team_id),
        ("organisation_id", &event.organisation_id),
        ("upstream_id", &event.upstream_id),
        ("price_id", &event.price_id),
    ] {
        optional_uuid(field, bytes)?;
    }
    known("operation", &event.operation, Operation::parse(&event.operation).is_some())?;
    known("outcome", &event.outcome, Outcome::parse(&event.outcome).is_some())?;
    known("currency", &event.currency, event.currency.parse::<Currency>().is_ok())?;
    known("quality", &event.quality.to_string(), quality(event).is_some())?;
    if event.cost_nanos < 0 || event.cost_nanos > maas_types::pricing::MAX_EVENT_COST {
        return Err(InvalidEvent::OutOfRange("cost_nanos"));
    }
    let tokens = event.tokens.unwrap_or_default();
    let counts = [tokens.input, tokens.output, tokens.cached_input, tokens.cache_write_input, tokens.audio_input];
    let more = [tokens.reasoning_output, tokens.audio_output, tokens.images];
    if counts.iter().chain(&more).any(|count| *count > MAX_TOKENS) {
        return Err(InvalidEvent::OutOfRange("tokens"));
    }
    let durations = [event.first_byte_us, event.completed_us].into_iter().flatten();
    if durations.into_iter().any(|micros| i64::try_from(micros).is_err()) {
        return Err(InvalidEvent::OutOfRange("completed_us"));
    }
    Ok(EventId::from_uuid(id))
}

fn known(field: &'static str, value: &str, is_known: bool) -> Result<(), InvalidEvent> {
    if is_known {
        return Ok(());
    }
    Err(InvalidEvent::UnknownValue { field, value: value.chars().take(40).collect() })
}

/// The quality of the counts, `None` when the message holds no known one.
pub fn quality(event: &UsageEvent) -> Option<UsageQuality> {
    match Quality::try_from(event.quality).ok()? {
        Quality::Unspecified => None,
        Quality::Exact => Some(UsageQuality::Exact),
        Quality::Partial => Some(UsageQuality::Partial),
        Quality::Estimated => Some(UsageQuality::Estimated),
        Quality::None => Some(UsageQuality::None),
    }
}

/// The wire form of a quality.
pub fn quality_to_wire(quality: UsageQuality) -> Quality {
    match quality {
        UsageQuality::Exact => Quality::Exact,
        UsageQuality::Partial => Quality::Partial,
        UsageQuality::Estimated => Quality::Estimated,
        UsageQuality::None => Quality::None,
    }
}

pub fn tokens_from_wire(tokens: &Tokens) -> TokenCounts {
    TokenCounts {
        input: tokens.input,
        cached_input: tokens.cached_input,
        cache_write_input: tokens.cache_write_input,
        audio_input: tokens.audio_input,
        output: tokens.output,
        reasoning_output: tokens.reasoning_output,
        audio_output: tokens.audio_output,
        images: tokens.images,
    }
}

pub fn tokens_to_wire(tokens: &TokenCounts) -> Tokens {
    Tokens {
        input: tokens.input,
        cached_input: tokens.cached_input,
        cache_write_input: tokens.cache_write_input,
        audio_input: tokens.audio_input,
        output: tokens.output,
        reasoning_output: tokens.reasoning_output,
        audio_output: tokens.audio_output,
        images: tokens.images,
    }
}

/// The admission time of an event that passed [`usage_event`].
pub fn admitted_at(event: &UsageEvent) -> Timestamp {
    Timestamp::from_unix_ms(event.admitted_at_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid() -> UsageEvent {
        let at = Timestamp::from_unix_ms(1_763_000_000_000);
        let id = |_: ()| bytes::Bytes::copy_from_slice(EventId::new_at(at).uuid().as_bytes());
        UsageEvent {
            id: id(()),
            sequence: 1,
            user_id: id(()),
            model_id: id(()),
            admitted_at_ms: at.unix_ms(),
            operation: "chat".into(),
            outcome: "success".into(),
            currency: "USD".into(),
            quality: Quality::Exact.into(),
            ..Default::default()
        }
    }

    #[test]
    fn a_complete_event_passes() {
        assert!(usage_event(&valid()).is_ok());
    }

    #[test]
    fn each_lie_is_named() {
        type Lie = fn(&mut UsageEvent);
        let cases: [(&str, Lie); 7] = [
            ("id", |event| event.id = vec![1; 16].into()),
            ("sequence", |event| event.sequence = 0),
            ("time", |event| event.admitted_at_ms += 1),
            ("user", |event| event.user_id = vec![1, 2].into()),
            ("operation", |event| event.operation = "dance".into()),
            ("cost", |event| event.cost_nanos = -1),
            ("tokens", |event| event.tokens = Some(Tokens { output: u64::MAX, ..Default::default() })),
        ];
        for (name, break_it) in cases {
            let mut event = valid();
            break_it(&mut event);
            assert!(usage_event(&event).is_err(), "{name}");
        }
    }
}
