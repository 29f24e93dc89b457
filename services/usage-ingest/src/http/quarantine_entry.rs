//! A quarantine entry on the wire.

use maas_events::{
    usage::UsageEvent,
    validate::{optional_uuid, quality, tokens_from_wire},
};
use maas_types::{EventId, KeyId, TeamId, Timestamp, UserId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    domain::quarantine::{BookedAs, QuarantineEntry, QuarantineId},
    held_events::held_events,
};

#[derive(Debug, Serialize, ToSchema)]
pub struct QuarantinedUsage {
    pub id: QuarantineId,
    /// The producer, as instance/boot/worker; empty when the message names none.
    #[schema(example = "019a9c3b5f0e7c42a1d38b6f0c9e4a57/8d1f0c9e4a570e7c42a1d38b6f5f0e7c/0")]
    pub source: String,
    /// The producer's numbers of what is in it; null when they are not known.
    #[schema(example = 311)]
    pub first_sequence: Option<u64>,
    #[schema(example = 311)]
    pub last_sequence: Option<u64>,
    /// Null: it is a whole message, or its id cannot be read.
    pub event_id: Option<EventId>,
    /// undecodable, invalid, outside_window, conflict or poisoned.
    #[schema(example = "outside_window")]
    pub kind: &'static str,
    /// Why it was not booked.
    #[schema(example = "admitted more than 35 days ago")]
    pub reason: String,
    pub received_at: Timestamp,
    /// Its producer had these numbers committed before it came: most likely it is booked already.
    pub repeated: bool,
    /// held, replayed or rejected.
    #[schema(example = "held")]
    pub state: &'static str,
    /// Null while nobody has decided.
    pub decision: Option<QuarantineDecision>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct QuarantineDecision {
    pub time: Timestamp,
    /// Null: the platform itself.
    pub user_id: Option<UserId>,
    #[schema(example = "Ada")]
    pub user_name: String,
    #[schema(example = "journal of the node that was away in October")]
    pub reason: String,
    /// What a replay came to: event, correction, backfill or duplicate. Null for a rejected entry.
    #[schema(example = "event")]
    pub booked_as: Option<&'static str>,
}

/// An entry with what can be read of it. Prompts and answers are in no usage event, so they cannot be in here.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuarantinedUsageDetails {
    #[serde(flatten)]
    pub entry: QuarantinedUsage,
    #[schema(example = 412)]
    pub payload_bytes: usize,
    /// Empty when this version cannot read it.
    pub events: Vec<QuarantinedEvent>,
}

/// An event as it claims to be; nothing of it is checked.
#[derive(Debug, Serialize, ToSchema)]
pub struct QuarantinedEvent {
    pub id: Option<EventId>,
    #[schema(example = 311)]
    pub sequence: u64,
    pub time: Timestamp,
    pub user_id: Option<UserId>,
    pub key_id: Option<KeyId>,
    pub team_id: Option<TeamId>,
    #[schema(example = "llama-3.1-8b-instruct")]
    pub model: String,
    #[schema(example = "gpu-a")]
    pub upstream: String,
    #[schema(example = "chat")]
    pub operation: String,
    #[schema(example = "success")]
    pub outcome: String,
    #[schema(example = 200)]
    pub status: u32,
    /// Null: it names no quality that this version knows.
    #[schema(example = "exact")]
    pub quality: Option<&'static str>,
    #[schema(example = 412)]
    pub input_tokens: u64,
    #[schema(example = 96)]
    pub output_tokens: u64,
    /// Nano-units of the currency.
    #[schema(example = 200_000)]
    pub cost_nanos: i64,
    #[schema(example = "USD")]
    pub currency: String,
}

impl QuarantinedUsage {
    pub fn to_api(entry: &QuarantineEntry) -> Self {
        let decision = entry.decision.as_ref().map(|decision| QuarantineDecision {
            time: decision.at,
            user_id: decision.by,
            user_name: decision.by_name.clone(),
            reason: decision.reason.clone(),
            booked_as: decision.booked_as.map(BookedAs::as_str),
        });
        Self {
            id: entry.id,
            source: entry.source.clone(),
            first_sequence: entry.sequences.map(|(first, _)| first),
            last_sequence: entry.sequences.map(|(_, last)| last),
            event_id: entry.event_id.map(EventId::from_uuid),
            kind: entry.kind.as_str(),
            reason: entry.reason.clone(),
            received_at: entry.received_at,
            repeated: entry.repeated,
            state: entry.state.as_str(),
            decision,
        }
    }
}

impl QuarantinedUsageDetails {
    pub fn to_api(entry: &QuarantineEntry) -> Self {
        let events = held_events(entry).map(|held| held.events).unwrap_or_default();
        Self {
            entry: QuarantinedUsage::to_api(entry),
            payload_bytes: entry.payload.len(),
            events: events.iter().map(QuarantinedEvent::to_api).collect(),
        }
    }
}

impl QuarantinedEvent {
    fn to_api(event: &UsageEvent) -> Self {
        let id = |bytes: &[u8]| -> Option<Uuid> { optional_uuid("", bytes).ok().flatten() };
        let tokens = tokens_from_wire(&event.tokens.unwrap_or_default());
        Self {
            id: id(&event.id).map(EventId::from_uuid),
            sequence: event.sequence,
            time: Timestamp::from_unix_ms(event.admitted_at_ms),
            user_id: id(&event.user_id).map(UserId::from_uuid),
            key_id: id(&event.key_id).map(KeyId::from_uuid),
            team_id: id(&event.team_id).map(TeamId::from_uuid),
            model: event.model.clone(),
            upstream: event.upstream.clone(),
            operation: event.operation.clone(),
            outcome: event.outcome.clone(),
            status: event.status,
            quality: quality(event).map(|quality| quality.as_str()),
            input_tokens: tokens.input,
            output_tokens: tokens.output,
            cost_nanos: event.cost_nanos,
            currency: event.currency.clone(),
        }
    }
}
