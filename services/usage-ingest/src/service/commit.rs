//! One transaction: events, sums, quarantine and sequences of a batch, all or nothing.
//!
//! Guarantee: an event is in the sums exactly once for each event that is in the table, and a sequence counts as
//! committed exactly when its event, or its quarantine row, is there.
//!
//! What happens at each failure:
//! - the process dies, or the connection breaks, before the commit: nothing of the batch is there; the messages are not
//!   acknowledged and come again;
//! - it breaks in the commit, so that nobody knows: the batch is tried again; if it did commit, every event is found
//!   under its id, nothing is summed again;
//! - the process dies between commit and acknowledgement: the same, when the messages come again;
//! - two replicas get the same events: the partition lock puts them in a row, the second finds what the first stored;
//! - an id comes with a different content: the first stays booked, the other goes to quarantine, counted and logged.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use maas_events::usage::Watermark;
use maas_store::{Database, StoreError};
use maas_types::Timestamp;
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use crate::{
    domain::{
        event::{Event, day_of},
        received::{Entry, ReceivedEvent, RefusalKind, Refused},
        source::SourceState,
        totals::Additions,
    },
    events::watermark_to_wire,
    store::{self, event::Booked, source::Sources},
};

/// The only partition of the stream for now.
const PARTITION: i32 = 0;
const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);

/// What a committed batch changed.
#[derive(Debug, Default)]
pub struct Committed {
    /// Events that were not there before.
    pub stored: Vec<Event>,
    /// Events that were there already, with the same content.
    pub duplicates: u64,
    pub refused: Vec<RefusalKind>,
    /// By source, as far as they are known; for each source of the batch.
    pub watermarks: BTreeMap<Arc<str>, Watermark>,
}

/// Commits the entries in one transaction.
pub async fn commit(database: &Database, entries: &[Entry], now: Timestamp) -> Result<Committed, StoreError> {
    let transaction = database.begin().await?;
    store::lock::hold_partition(&transaction, PARTITION).await?;
    let received: Vec<&ReceivedEvent> = entries.iter().filter_map(as_event).collect();
    let (new, repeated) = insert(&transaction, &received, now).await?;

    let additions = Additions::of(new.iter().map(|received| &received.event));
    store::rollup::add(&transaction, &additions.rollups).await?;
    store::ledger::add(&transaction, &additions.ledger).await?;
    store::key_use::widen(&transaction, &additions.key_uses).await?;

    let (duplicates, conflicts) = compare(&transaction, &repeated).await?;
    let refused: Vec<Refused> = entries.iter().filter_map(as_refused).cloned().chain(conflicts).collect();
    store::quarantine::keep(&transaction, &refused, now).await?;

    let watermarks = record_sequences(&transaction, entries, now).await?;
    transaction.commit().await?;
    Ok(Committed {
        stored: new.into_iter().map(|received| received.event.clone()).collect(),
        duplicates,
        refused: refused.iter().map(|refused| refused.kind).collect(),
        watermarks,
    })
}

/// Inserts what is not there; answers the events that were new and those that were not. Only the new ones are summed.
async fn insert<'a>(
    transaction: &DatabaseTransaction,
    received: &[&'a ReceivedEvent],
    now: Timestamp,
) -> Result<(Vec<&'a ReceivedEvent>, Vec<&'a ReceivedEvent>), StoreError> {
    // Of several events with one id in the batch, the first is the one to insert. Ordered by id, as all writes are.
    let mut firsts: BTreeMap<Uuid, &ReceivedEvent> = BTreeMap::new();
    for event in received {
        firsts.entry(event.event.id.uuid()).or_insert(event);
    }
    let days = firsts.values().map(|first| first.event.day());
    let ahead = (!firsts.is_empty()).then(|| day_of(now.plus(DAY)));
    store::partition::ensure_days(transaction, &days.chain(ahead).collect()).await?;
    let inserted = store::event::insert_new(transaction, &firsts, now).await?;
    Ok(received.iter().copied().partition(|event| is_new(event, &firsts, &inserted)))
}

/// Whether exactly this delivery is the one that was inserted.
fn is_new(event: &ReceivedEvent, firsts: &BTreeMap<Uuid, &ReceivedEvent>, inserted: &BTreeSet<Uuid>) -> bool {
    let id = event.event.id.uuid();
    inserted.contains(&id) && firsts.get(&id).is_some_and(|first| std::ptr::eq(*first, event))
}

/// Repeated events: how many say the same as what is booked, and those that do not.
async fn compare(
    transaction: &DatabaseTransaction,
    repeated: &[&ReceivedEvent],
) -> Result<(u64, Vec<Refused>), StoreError> {
    if repeated.is_empty() {
        return Ok((0, Vec::new()));
    }
    let ids = repeated.iter().map(|received| (received.event.day(), received.event.id.uuid())).collect();
    let booked = store::event::booked(transaction, &ids).await?;
    let mut duplicates = 0;
    let mut conflicts = Vec::new();
    for received in repeated {
        match booked.get(&received.event.id.uuid()) {
            Some(booked) if booked.fingerprint == received.event.fingerprint.0 => duplicates += 1,
            booked => conflicts.push(conflict(received, booked)),
        }
    }
    Ok((duplicates, conflicts))
}

/// Signed corrections by better quality will be decided here; until then the first content stays booked.
fn conflict(received: &ReceivedEvent, booked: Option<&Booked>) -> Refused {
    let quality = received.event.quality;
    let reason = match booked {
        Some(booked) if quality < booked.quality => {
            format!("{} is better than what is booked under this id ({})", quality.as_str(), booked.quality.as_str())
        }
        Some(booked) => {
            format!("{} differs from what is booked under this id ({})", quality.as_str(), booked.quality.as_str())
        }
        None => "the database has the id and does not show it".to_owned(),
    };
    tracing::warn!(event.id = %received.event.id, usage.source = %received.source, reason, "conflicting usage event");
    Refused {
        source: received.source.clone(),
        sequences: Some((received.sequence, received.sequence)),
        event_id: Some(received.event.id.uuid()),
        payload: received.payload.clone(),
        kind: RefusalKind::Conflict,
        reason,
    }
}

/// Marks as committed what the entries carry, and notes what they announce. By source, in the order of the entries.
async fn record_sequences(
    transaction: &DatabaseTransaction,
    entries: &[Entry],
    now: Timestamp,
) -> Result<BTreeMap<Arc<str>, Watermark>, StoreError> {
    // A message that names no possible source can only be kept.
    let named = || entries.iter().filter(|entry| !entry.source().is_empty());
    let names = named().map(|entry| entry.source().clone()).collect();
    let mut sources = store::source::load(transaction, &names).await?;
    for entry in named() {
        record(&mut sources, entry, now);
    }
    store::source::save(transaction, &sources).await?;
    let watermark =
        |(source, state): (&Arc<str>, &SourceState)| (source.clone(), watermark_to_wire(source, &state.committed));
    Ok(sources.iter().map(watermark).collect())
}

fn record(sources: &mut Sources, entry: &Entry, now: Timestamp) {
    let earliest = match entry {
        Entry::Event(received) => received.event.admitted_at(),
        Entry::Heartbeat { heartbeat, .. } => heartbeat.oldest_open_admission.unwrap_or(heartbeat.sent_at),
        Entry::Close { .. } | Entry::Refused(_) => now,
    };
    let state = sources.entry(entry.source().clone()).or_insert_with(|| SourceState::new(now, earliest));
    match entry {
        Entry::Event(received) => state.record(received.sequence, received.sequence, now),
        Entry::Heartbeat { heartbeat, .. } => state.hear_heartbeat(*heartbeat, now),
        Entry::Close { last_sequence, .. } => state.hear_close(*last_sequence, now),
        Entry::Refused(refused) => {
            if let Some((first, last)) = refused.sequences {
                state.record(first, last, now);
            }
        }
    }
}

fn as_event(entry: &Entry) -> Option<&ReceivedEvent> {
    match entry {
        Entry::Event(received) => Some(received),
        Entry::Heartbeat { .. } | Entry::Close { .. } | Entry::Refused(_) => None,
    }
}

fn as_refused(entry: &Entry) -> Option<&Refused> {
    match entry {
        Entry::Refused(refused) => Some(refused),
        Entry::Event(_) | Entry::Heartbeat { .. } | Entry::Close { .. } => None,
    }
}
