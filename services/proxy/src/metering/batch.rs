//! Usage messages: settled records of one source on their way to the bus.

use std::collections::VecDeque;

use bytes::Bytes;
use maas_events::{
    SourceId,
    usage::{EventBatch, UsageEvent, UsageMessage, usage_message::Body},
};
use maas_journal::SettledRecord;
use prost::Message as _;

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
    let count = records.len() as u64;
    // What the journal holds was encoded by this program; what is damaged all the same was quarantined there.
    let events = records.into_iter().filter_map(|record| {
        let event = UsageEvent::decode(record.payload);
        event.inspect_err(|error| tracing::error!(error = %error, "a journal record is no usage event")).ok()
    });
    let message =
        UsageMessage { source: source.to_string(), body: Some(Body::Events(EventBatch { events: events.collect() })) };
    let suffix = if attempt == 0 { String::new() } else { format!(":r{attempt}") };
    Batch {
        first,
        last,
        id: format!("{source}:{first}-{last}{suffix}"),
        payload: message.encode_to_vec().into(),
        events: count,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use maas_types::{EventId, Timestamp};
    use uuid::Uuid;

    use super::*;

    fn record(sequence: u64) -> SettledRecord {
        let event = UsageEvent { sequence, model: "m".repeat(4_000), ..Default::default() };
        let event_id = EventId::new_at(Timestamp::from_unix_ms(1_795_000_000_000));
        SettledRecord { sequence, event_id, payload: event.encode_to_vec().into() }
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
