//! One transaction: events, sums, quarantine and sequences of a batch, all or nothing.
//!
//! Guarantee: an event or a correction is in the sums exactly once for each one that is in its table, and a sequence counts as
//! committed exactly when its event, or its quarantine row, is there.
//!
//! What happens at each failure:
//! - the process dies, or the connection breaks, before the commit: nothing of the batch is there; the messages are not
//!   acknowledged and come again;
//! - it breaks in the commit, so that nobody knows: the batch is tried again; if it did commit, every event is found
//!   under its id, nothing is summed again;
//! - the process dies between commit and acknowledgement: the same, when the messages come again;
//! - two replicas get the same events: the partition lock puts them in a row, the second finds what the first stored;
//! - an id comes with a different content: if its counts are better, the difference is booked as a correction; else the
//!   first stays booked and the other goes to quarantine, counted and logged (see [`super::repeated`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use maas_events::usage::Watermark;
use maas_store::{Database, StoreError};
use maas_types::Timestamp;
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use super::{correct, repeated};
use crate::{
    domain::{
        event::Event,
        period::MonthClosing,
        received::{Entry, ReceivedEvent, RefusalKind, Refused},
        source::SourceState,
        totals::Additions,
    },
    events::watermark_to_wire,
    store::{self, lock::PARTITION, source::Sources},
};

/// What a committed batch changed.
#[derive(Debug, Default)]
pub struct Committed {
    /// Events that were not there before.
    pub stored: Vec<Event>,
    /// Events that were there already, with the same content.
    pub duplicates: u64,
    /// Events that were there with worse counts; the difference is booked.
    pub corrected: u64,
    pub refused: Vec<RefusalKind>,
    /// By source, as far as they are known; for each source of the batch.
    pub watermarks: BTreeMap<Arc<str>, Watermark>,
}

/// Commits the entries in one transaction.
pub async fn commit(
    database: &Database,
    entries: &[Entry],
    closing: MonthClosing,
    now: Timestamp,
) -> Result<Committed, StoreError> {
    let transaction = database.begin().await?;
    store::lock::hold_partition(&transaction, PARTITION).await?;
    let received: Vec<&ReceivedEvent> = entries.iter().filter_map(as_event).collect();
    let booking = book(&transaction, &received, closing, now).await?;

    let refused: Vec<Refused> = entries.iter().filter_map(as_refused).cloned().chain(booking.conflicts).collect();
    // Before the sequences: a refused one is compared with those that were committed until now.
    store::quarantine::keep(&transaction, &refused, now).await?;

    let watermarks = record_sequences(&transaction, entries, now).await?;
    transaction.commit().await?;
    Ok(Committed {
        stored: booking.stored,
        duplicates: booking.duplicates,
        corrected: booking.corrected,
        refused: refused.iter().map(|refused| refused.kind).collect(),
        watermarks,
    })
}

/// What became of a list of events.
pub(super) struct Booking {
    pub(super) stored: Vec<Event>,
    pub(super) duplicates: u64,
    pub(super) corrected: u64,
    /// These are not booked.
    pub(super) conflicts: Vec<Refused>,
}

/// Books events with their sums, and nothing else: sequences and quarantine are the caller's, who holds the partition.
pub(super) async fn book(
    transaction: &DatabaseTransaction,
    received: &[&ReceivedEvent],
    closing: MonthClosing,
    now: Timestamp,
) -> Result<Booking, StoreError> {
    let (new, repeated) = insert(transaction, received, now).await?;
    let repeated = repeated::judge(transaction, &repeated).await?;
    let corrections = correct::insert(transaction, &repeated.corrections, now).await?;

    let additions = Additions::of(new.iter().map(|received| &received.event), corrections);
    store::sums::add(transaction, &additions, closing, now).await?;
    store::key_use::widen(transaction, &additions.key_uses).await?;
    Ok(Booking {
        stored: new.into_iter().map(|received| received.event.clone()).collect(),
        duplicates: repeated.duplicates,
        corrected: repeated.improved,
        conflicts: repeated.conflicts,
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
    // Made ahead of time as a rule (see `super::partitions`).
    let days = firsts.values().map(|first| first.event.day()).collect();
    store::partition::ensure_days(transaction, &days).await?;
    let inserted = store::event::insert_new(transaction, &firsts, now).await?;
    Ok(received.iter().copied().partition(|event| is_new(event, &firsts, &inserted)))
}

/// Whether exactly this delivery is the one that was inserted.
fn is_new(event: &ReceivedEvent, firsts: &BTreeMap<Uuid, &ReceivedEvent>, inserted: &BTreeSet<Uuid>) -> bool {
    let id = event.event.id.uuid();
    inserted.contains(&id) && firsts.get(&id).is_some_and(|first| std::ptr::eq(*first, event))
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
    let watermark = |(source, state): (&Arc<str>, &SourceState)| (source.clone(), watermark_to_wire(source, state));
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
