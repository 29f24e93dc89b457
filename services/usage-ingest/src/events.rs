//! From the wire to the ledger's types.
//!
//! Guarantee: every message becomes at least one entry; nothing that arrived is dropped. What cannot be read, contradicts
//! itself or lies outside the admission window becomes an entry for the quarantine, with the sequences that its events
//! (or, if it is unreadable, its headers) name, so that one bad message never leaves a gap that nobody can close.

use std::{str::FromStr as _, sync::Arc};

use bytes::Bytes;
use maas_bus::Message;
use maas_events::{
    SourceId,
    usage::{self, UsageEvent, UsageMessage, Watermark, usage_message::Body},
    validate::{self, InvalidEvent, optional_uuid, required_uuid},
};
use maas_types::{
    Currency, EventId, KeyId, ModelId, Operation, OrganisationId, Outcome, PriceId, TeamId, Timestamp, UpstreamId,
    UserId,
};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::domain::{
    event::{Attempt, Charge, Event, Fingerprint},
    received::{Entry, ReceivedEvent, RefusalKind, Refused},
    source::{HeartbeatFacts, SourceState},
    window,
};

pub const SOURCE_HEADER: &str = "Maas-Source";
pub const FIRST_SEQUENCE_HEADER: &str = "Maas-First-Sequence";
pub const LAST_SEQUENCE_HEADER: &str = "Maas-Last-Sequence";

/// The most events of one message. Headers that claim more are not believed.
const MAX_EVENTS: u64 = 256;

/// What a message of the usage stream asks to be committed.
pub fn entries_of(message: &Message, now: Timestamp) -> Vec<Entry> {
    match UsageMessage::decode(message.payload.clone()) {
        Ok(decoded) => match (SourceId::from_str(&decoded.source), decoded.body) {
            (Ok(source), Some(body)) => body_entries(&Arc::from(source.to_string()), body, &message.payload, now),
            (Ok(_), None) => vec![unreadable(message, "the message has no body that this version knows".to_owned())],
            (Err(error), _) => vec![unreadable(message, error.to_string())],
        },
        Err(error) => vec![unreadable(message, error.to_string())],
    }
}

fn body_entries(source: &Arc<str>, body: Body, payload: &Bytes, now: Timestamp) -> Vec<Entry> {
    let source = source.clone();
    let payload = payload.clone();
    match body {
        Body::Events(batch) => batch.events.into_iter().map(|event| event_entry(&source, event, now)).collect(),
        Body::Heartbeat(heartbeat) if is_stored_number(heartbeat.last_sequence) => {
            vec![Entry::Heartbeat { source, heartbeat: heartbeat_from_wire(&heartbeat), payload }]
        }
        Body::Close(close) if is_stored_number(close.last_sequence) => {
            vec![Entry::Close { source, last_sequence: close.last_sequence, payload }]
        }
        Body::Heartbeat(_) | Body::Close(_) => vec![Entry::Refused(Refused {
            source,
            sequences: None,
            event_id: None,
            payload,
            kind: RefusalKind::Invalid,
            reason: "last_sequence is out of range".to_owned(),
        })],
    }
}

fn heartbeat_from_wire(heartbeat: &usage::Heartbeat) -> HeartbeatFacts {
    let oldest_open = heartbeat.oldest_open_admission_ms;
    HeartbeatFacts {
        last_sequence: heartbeat.last_sequence,
        open_requests: heartbeat.open_requests,
        oldest_open_admission: (oldest_open > 0).then(|| Timestamp::from_unix_ms(oldest_open)),
        sent_at: Timestamp::from_unix_ms(heartbeat.sent_at_ms),
    }
}

/// What one event asks to be committed: itself, or its refusal.
pub fn event_entry(source: &Arc<str>, wire: UsageEvent, now: Timestamp) -> Entry {
    let refused = |wire: &UsageEvent, kind, reason| {
        Entry::Refused(Refused {
            source: source.clone(),
            sequences: is_stored_number(wire.sequence).then_some((wire.sequence, wire.sequence)),
            event_id: Uuid::from_slice(&wire.id).ok(),
            payload: wire.encode_to_vec().into(),
            kind,
            reason,
        })
    };
    match received_event(source, &wire) {
        Err(invalid) => refused(&wire, RefusalKind::Invalid, invalid.to_string()),
        Ok(received) => match window::check(received.event.admitted_at(), now) {
            Err(outside) => refused(&wire, RefusalKind::OutsideWindow, outside.to_string()),
            Ok(()) => Entry::Event(Box::new(received)),
        },
    }
}

/// An event that satisfies every rule but the admission window, which is the caller's to judge.
pub fn received_event(source: &Arc<str>, wire: &UsageEvent) -> Result<ReceivedEvent, InvalidEvent> {
    validate::usage_event(wire)?;
    // The canonical form: equal for equal events, whoever sends them and as which number.
    let payload = Bytes::from(UsageEvent { sequence: 0, ..wire.clone() }.encode_to_vec());
    let fingerprint = Fingerprint(Sha256::digest(&payload).into());
    let event = event_from_wire(wire, fingerprint)?;
    Ok(ReceivedEvent { source: source.clone(), sequence: wire.sequence, event, payload })
}

fn event_from_wire(wire: &UsageEvent, fingerprint: Fingerprint) -> Result<Event, InvalidEvent> {
    let unknown = |field, value: &str| InvalidEvent::UnknownValue { field, value: value.chars().take(40).collect() };
    Ok(Event {
        id: EventId::from_uuid(required_uuid("id", &wire.id)?),
        key: optional_uuid("key_id", &wire.key_id)?.map(KeyId::from_uuid),
        user: UserId::from_uuid(required_uuid("user_id", &wire.user_id)?),
        team: optional_uuid("team_id", &wire.team_id)?.map(TeamId::from_uuid),
        organisation: optional_uuid("organisation_id", &wire.organisation_id)?.map(OrganisationId::from_uuid),
        cost_centre: wire.cost_centre.clone(),
        model_id: ModelId::from_uuid(required_uuid("model_id", &wire.model_id)?),
        model: wire.model.clone(),
        catalogue_revision: stored("catalogue_revision", wire.catalogue_revision)?,
        upstream_id: optional_uuid("upstream_id", &wire.upstream_id)?.map(UpstreamId::from_uuid),
        upstream: wire.upstream.clone(),
        provider: wire.provider.clone(),
        attempts: wire.attempts.iter().map(attempt_from_wire).collect::<Result<_, _>>()?,
        operation: Operation::parse(&wire.operation).ok_or_else(|| unknown("operation", &wire.operation))?,
        stream: wire.stream,
        first_byte_us: wire.first_byte_us,
        completed_us: wire.completed_us,
        tokens: validate::tokens_from_wire(&wire.tokens.unwrap_or_default()),
        quality: validate::quality(wire).ok_or_else(|| unknown("quality", &wire.quality.to_string()))?,
        outcome: Outcome::parse(&wire.outcome).ok_or_else(|| unknown("outcome", &wire.outcome))?,
        status: u16::try_from(wire.status).map_err(|_| InvalidEvent::OutOfRange("status"))?,
        error_code: wire.error_code.clone(),
        price: optional_uuid("price_id", &wire.price_id)?.map(PriceId::from_uuid),
        cost_nanos: wire.cost_nanos,
        currency: Currency::from_str(&wire.currency).map_err(|_| unknown("currency", &wire.currency))?,
        discount_basis_points: u16::try_from(wire.discount_basis_points)
            .map_err(|_| InvalidEvent::OutOfRange("discount_basis_points"))?,
        charges: wire.charges.iter().map(charge_from_wire).collect(),
        request_id: wire.request_id.clone(),
        upstream_request_id: wire.upstream_request_id.clone(),
        trace_id: wire.trace_id.clone(),
        labels: wire.labels.clone(),
        end_user: wire.end_user.clone(),
        fingerprint,
    })
}

fn attempt_from_wire(attempt: &usage::Attempt) -> Result<Attempt, InvalidEvent> {
    Ok(Attempt {
        upstream_id: optional_uuid("attempts.upstream_id", &attempt.upstream_id)?.map(UpstreamId::from_uuid),
        upstream: attempt.upstream.clone(),
        kind: attempt.kind.clone(),
        outcome: attempt.outcome.clone(),
        status: attempt.status,
        duration_ms: attempt.duration_ms,
    })
}

fn charge_from_wire(charge: &usage::Charge) -> Charge {
    Charge {
        limit_id: charge.limit_id.iter().map(|byte| format!("{byte:02x}")).collect(),
        window_start_ms: charge.window_start_ms,
        limit_version: charge.limit_version,
        amount: charge.amount,
    }
}

/// The whole message to quarantine. Its headers say which sequences it holds, if they are credible.
fn unreadable(message: &Message, reason: String) -> Entry {
    let source = message.header(SOURCE_HEADER).and_then(|text| SourceId::from_str(text).ok());
    let number = |name| message.header(name)?.parse::<u64>().ok().filter(|number| is_stored_number(*number));
    let sequences = number(FIRST_SEQUENCE_HEADER).zip(number(LAST_SEQUENCE_HEADER));
    let credible = |(first, last): &(u64, u64)| *first >= 1 && first <= last && last - first < MAX_EVENTS;
    Entry::Refused(Refused {
        sequences: sequences.filter(|range| source.is_some() && credible(range)),
        source: source.map_or_else(|| Arc::from(""), |source| Arc::from(source.to_string())),
        event_id: None,
        payload: message.payload.clone(),
        kind: RefusalKind::Undecodable,
        reason,
    })
}

/// Databases hold i64. Zero says "none", which heartbeats may and events may not.
fn is_stored_number(number: u64) -> bool {
    i64::try_from(number).is_ok()
}

fn stored(field: &'static str, number: u64) -> Result<u64, InvalidEvent> {
    if is_stored_number(number) { Ok(number) } else { Err(InvalidEvent::OutOfRange(field)) }
}

/// What producers may forget.
pub fn watermark_to_wire(source: &str, state: &SourceState) -> Watermark {
    Watermark {
        source: source.to_owned(),
        committed_through: state.committed.through(),
        closed: Some(state.closed),
        above: state.committed.above().map(|(first, last)| usage::SequenceRange { first, last }).collect(),
    }
}
