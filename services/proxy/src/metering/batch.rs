//! Usage messages: settled records of one source on their way to the bus.

use std::collections::VecDeque;

use bytes::Bytes;
use maas_events::SourceId;
use maas_journal::SettledRecord;
use prost::{
    encoding::{WireType, encode_key, encode_varint},
    length_delimiter_len,
};

/// `UsageMessage.source`, `UsageMessage.events` and `EventBatch.events` in `proto/maas/usage/v1/usage.proto`.
const SOURCE_FIELD: u32 = 1;
const EVENTS_FIELD: u32 = 2;
const EVENT_FIELD: u32 = 1;

/// One message holds at most so many events.
pub const MOST_EVENTS: usize = 256;
/// What a message may hold of events: well below what the bus takes, which is 1 MiB.
const MOST_BYTES: usize = 512 * 1024;

/// One message, encoded once, so that every attempt to deliver it is the same.
#[derive(Clone)]
pub struct Batch {
    pub first: u64,
    pub last: u64,
    pub id: String,
    pub payload: Bytes,
    pub events: u64,
}

/// The records as messages of bearable size.
pub fn batches_of(source: SourceId, mut records: Vec<SettledRecord>, attempt: u32) -> VecDeque<Batch> {
    let mut batches = VecDeque::new();
    while !records.is_empty() {
        let mut bytes = 0;
        let fitting = records.iter().take_while(|record| {
            bytes += record.payload.len();
            bytes <= MOST_BYTES
        });
        let fitting = fitting.count().max(1);
        let later = records.split_off(fitting);
        batches.push_back(batch_of(source, records, attempt));
        records = later;
    }
    batches
}

/// `attempt` is 0 for the first sending, and the number of the resend else.
fn batch_of(source: SourceId, records: Vec<SettledRecord>, attempt: u32) -> Batch {
    let first = records.first().map_or(0, |record| record.sequence);
    let last = records.last().map_or(0, |record| record.sequence);
    let suffix = if attempt == 0 { String::new() } else { format!(":r{attempt}") };
    Batch {
        first,
        last,
        id: format!("{source}:{first}-{last}{suffix}"),
        payload: message_of(&source.to_string(), &records).into(),
        events: records.len() as u64,
    }
}

/// A `UsageMessage` with an `EventBatch` of these records. They are copied as they were encoded for the journal, whose
/// checksums they have passed: to read and write them again would cost more than everything else on their way.
fn message_of(source: &str, records: &[SettledRecord]) -> Vec<u8> {
    let batch_length: usize = records.iter().map(|record| framed_length(record.payload.len())).sum();
    let mut message = Vec::with_capacity(framed_length(source.len()) + framed_length(batch_length));
    begin_field(SOURCE_FIELD, source.len(), &mut message);
    message.extend_from_slice(source.as_bytes());
    begin_field(EVENTS_FIELD, batch_length, &mut message);
    for record in records {
        begin_field(EVENT_FIELD, record.payload.len(), &mut message);
        message.extend_from_slice(&record.payload);
    }
    message
}

/// Of a field with a number below 16.
fn framed_length(length: usize) -> usize {
    1 + length_delimiter_len(length) + length
}

fn begin_field(number: u32, length: usize, message: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, message);
    encode_varint(length as u64, message);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use maas_events::usage::{EventBatch, UsageEvent, UsageMessage, usage_message::Body};
    use maas_types::{EventId, Timestamp};
    use prost::Message as _;
    use uuid::Uuid;

    use super::*;

    fn record(sequence: u64) -> SettledRecord {
        let event = UsageEvent { sequence, model: "m".repeat(4_000), ..Default::default() };
        let event_id = EventId::new_at(Timestamp::from_unix_ms(1_795_000_000_000));
        SettledRecord { sequence, event_id, payload: event.encode_to_vec().into() }
    }

    #[test]
    fn a_message_is_what_the_schema_says() {
        let records: Vec<_> = (1..=3).map(record).collect();
        let events = records.iter().map(|record| UsageEvent::decode(record.payload.clone()).unwrap()).collect();
        let expected = UsageMessage { source: "a/b/1".to_owned(), body: Some(Body::Events(EventBatch { events })) };
        assert_eq!(message_of("a/b/1", &records), expected.encode_to_vec());
    }

    #[test]
    fn messages_stay_below_what_the_bus_takes_and_lose_nothing() {
        let source = SourceId { instance: Uuid::from_u128(1), boot: Uuid::from_u128(2), worker: 3 };
        let batches = batches_of(source, (1..=256).map(record).collect(), 0);
        assert!(batches.len() > 1 && batches.iter().all(|batch| batch.payload.len() < 600 * 1024));
        let ends: Vec<_> = batches.iter().map(|batch| (batch.first, batch.last)).collect();
        assert_eq!((ends[0].0, ends.last().unwrap().1), (1, 256));
        assert!(ends.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
    }
}
