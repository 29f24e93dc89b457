//! A proxy as the service sees it: events with dense sequences, heartbeats, messages with headers.

use bytes::Bytes;
use maas_events::{
    Delivery, SourceId,
    topic::usage_subject,
    usage::{Close, EventBatch, Heartbeat, Quality, Tokens, UsageEvent, UsageMessage, usage_message::Body},
};
use maas_types::{EventId, KeyId, ModelId, PriceId, Timestamp, UserId};
use maas_usage_ingest::events::{FIRST_SEQUENCE_HEADER, LAST_SEQUENCE_HEADER, SOURCE_HEADER};
use prost::Message as _;
use uuid::Uuid;

use crate::world::World;

pub fn source(number: u128) -> String {
    SourceId { instance: Uuid::from_u128(number), boot: Uuid::from_u128(number + 1), worker: 0 }.to_string()
}

pub fn user(number: u128) -> UserId {
    UserId::from_uuid(Uuid::from_u128(number))
}

pub fn key(number: u128) -> KeyId {
    KeyId::from_uuid(Uuid::from_u128(0x1_0000 + number))
}

/// An exact chat of 100 + 10 tokens for 1,500 nano-units, of user 1 with key 1.
pub fn event(sequence: u64, admitted_at: Timestamp) -> UsageEvent {
    let bytes = |uuid: Uuid| Bytes::copy_from_slice(uuid.as_bytes());
    UsageEvent {
        id: bytes(EventId::new_at(admitted_at).uuid()),
        sequence,
        key_id: bytes(key(1).uuid()),
        user_id: bytes(user(1).uuid()),
        model_id: bytes(ModelId::new_at(admitted_at).uuid()),
        model: "llama".into(),
        upstream: "gpu-a".into(),
        provider: "vllm".into(),
        operation: "chat".into(),
        admitted_at_ms: admitted_at.unix_ms(),
        first_byte_us: Some(80_500),
        completed_us: Some(900_000),
        tokens: Some(Tokens { input: 100, cached_input: 40, output: 10, reasoning_output: 3, ..Default::default() }),
        quality: Quality::Exact.into(),
        outcome: "success".into(),
        status: 200,
        price_id: bytes(PriceId::new_at(admitted_at).uuid()),
        cost_nanos: 1_500,
        currency: "USD".into(),
        ..Default::default()
    }
}

pub fn of_user(number: u128, event: UsageEvent) -> UsageEvent {
    let bytes = |uuid: Uuid| Bytes::copy_from_slice(uuid.as_bytes());
    UsageEvent { user_id: bytes(user(number).uuid()), key_id: bytes(key(number).uuid()), ..event }
}

pub fn message(source: &str, body: Body) -> Delivery {
    let sequences = match &body {
        Body::Events(batch) => (batch.events.first(), batch.events.last()),
        Body::Heartbeat(_) | Body::Close(_) => (None, None),
    };
    let sequence = |event: Option<&UsageEvent>| event.map_or(0, |event| event.sequence);
    let (first, last) = (sequence(sequences.0), sequence(sequences.1));
    let payload = UsageMessage { source: source.to_owned(), body: Some(body) }.encode_to_vec();
    raw_message(source, first, last, payload)
}

pub fn raw_message(source: &str, first: u64, last: u64, payload: impl Into<Bytes>) -> Delivery {
    Delivery::Message {
        subject: usage_subject(0),
        id: format!("{source}:{first}-{last}"),
        headers: vec![
            (SOURCE_HEADER, source.to_owned()),
            (FIRST_SEQUENCE_HEADER, first.to_string()),
            (LAST_SEQUENCE_HEADER, last.to_string()),
        ],
        payload: payload.into(),
    }
}

pub fn events(source: &str, events: Vec<UsageEvent>) -> Delivery {
    message(source, Body::Events(EventBatch { events }))
}

pub fn heartbeat(source: &str, last_sequence: u64, oldest_open: Option<Timestamp>, sent_at: Timestamp) -> Delivery {
    let heartbeat = Heartbeat {
        last_sequence,
        open_requests: u64::from(oldest_open.is_some()),
        oldest_open_admission_ms: oldest_open.map_or(0, Timestamp::unix_ms),
        sent_at_ms: sent_at.unix_ms(),
    };
    message(source, Body::Heartbeat(heartbeat))
}

pub fn close(source: &str, last_sequence: u64) -> Delivery {
    message(source, Body::Close(Close { last_sequence }))
}

impl World {
    /// Returns when the service has acknowledged it: what it says is committed.
    pub async fn deliver(&self, delivery: Delivery) {
        self.bus.deliver(delivery).await.unwrap();
    }

    pub async fn deliver_events(&self, source: &str, list: Vec<UsageEvent>) {
        self.deliver(events(source, list)).await;
    }
}
