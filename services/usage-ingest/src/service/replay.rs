//! Books what was kept aside, now, under every rule but the age of its admission.
//!
//! Guarantee: an event is booked at most once for ever, also from here. An id that is still held raw de-duplicates by
//! itself. Where the raw events of its day are gone, nobody can see any more whether it was booked, so it is refused
//! unless a person says that it was not; then it becomes a correction under the event's own id, which can exist once.
//! Even then it is refused if its source had that number committed before it came: that was the event itself.
//!
//! What happens at each failure:
//! - the event breaks a rule, or the database refuses it: nothing changes, it stays held, the answer says why;
//! - the process dies before the commit: it is held as before; after it: replaying again finds it decided;
//! - two people replay at once: the partition lock puts them in a row, the second finds it decided;
//! - one event of a message cannot be booked: none of the message is.

use std::{collections::BTreeSet, sync::Arc};

use maas_events::audit_entry::Actor;
use maas_store::StoreError;
use maas_types::{PageLimit, Timestamp};
use sea_orm::DatabaseTransaction;

use super::{
    commit, correct,
    quarantine::{decision, find, save},
    repair::{Repair, RepairError},
};
use crate::{
    domain::{
        correction::{Correction, CorrectionKind},
        dimensions::Dimensions,
        measures::Measures,
        quarantine::{BookedAs, QuarantineEntry, QuarantineId, QuarantineState},
        received::ReceivedEvent,
        window::{self, OutsideWindow},
    },
    events::received_event,
    held_events::held_events,
    store::{
        self,
        lock::PARTITION,
        quarantine::{Position, QuarantineFilter},
    },
};

/// What to do with an event of a day whose raw events are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BeyondRetention {
    #[default]
    Refuse,
    /// Somebody vouches that it was never booked: book it as a correction.
    Backfill,
}

/// How one or many entries are to be replayed.
#[derive(Debug, Clone, Default)]
pub struct ReplayInput {
    pub beyond_retention: BeyondRetention,
    /// May be empty.
    pub reason: String,
    /// Says what would happen, and changes nothing.
    pub dry_run: bool,
}

/// What replaying one of many came to.
#[derive(Debug)]
pub struct ReplayOutcome {
    pub id: QuarantineId,
    pub result: Result<Option<BookedAs>, RepairError>,
}

impl Repair {
    /// Replays one entry; if it was replayed before, answers what it came to then.
    pub async fn replay(
        &self,
        id: QuarantineId,
        input: &ReplayInput,
        actor: &Actor,
    ) -> Result<QuarantineEntry, RepairError> {
        let now = self.clock.now();
        let transaction = self.database.begin().await?;
        store::lock::hold_partition(&transaction, PARTITION).await?;
        let mut entry = find(&transaction, id).await?;
        if !entry.state.decide(QuarantineState::Replayed)? {
            return Ok(entry);
        }
        let booked_as = self.book(&transaction, &entry, input.beyond_retention, actor, now).await?;
        let decision = decision(actor, &input.reason, Some(booked_as), now);
        save(&transaction, &mut entry, QuarantineState::Replayed, decision, actor).await?;
        if input.dry_run {
            transaction.rollback().await.map_err(StoreError::from)?;
        } else {
            transaction.commit().await.map_err(StoreError::from)?;
            self.signal.wake();
        }
        Ok(entry)
    }

    /// Replays a page of held entries, each in a transaction of its own, and says where the next page starts: what cannot
    /// be booked stays held and would be met again.
    pub async fn replay_many(
        &self,
        filter: &QuarantineFilter,
        after: Option<Position>,
        limit: PageLimit,
        input: &ReplayInput,
        actor: &Actor,
    ) -> Result<(Vec<ReplayOutcome>, Option<Position>), RepairError> {
        let held = QuarantineFilter { state: Some(QuarantineState::Held), ..filter.clone() };
        let (entries, next) = self.list_quarantine(&held, after, limit).await?;
        let mut outcomes = Vec::with_capacity(entries.len());
        for entry in entries {
            let result = match self.replay(entry.id, input, actor).await {
                Ok(replayed) => Ok(replayed.decision.and_then(|decision| decision.booked_as)),
                // It would be the same for all the others.
                Err(RepairError::Store(error)) => return Err(error.into()),
                Err(refused) => Err(refused),
            };
            outcomes.push(ReplayOutcome { id: entry.id, result });
        }
        Ok((outcomes, next))
    }

    async fn book(
        &self,
        transaction: &DatabaseTransaction,
        entry: &QuarantineEntry,
        beyond: BeyondRetention,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<BookedAs, RepairError> {
        let received = checked_events(entry, now)?;
        let floor = store::retention::raw_floor(transaction).await?;
        let (held, gone): (Vec<_>, Vec<_>) = received.iter().partition(|received| received.event.day() >= floor);
        let as_events = self.book_events(transaction, &held, now).await?;
        let as_backfills = self.backfill(transaction, entry, &gone, beyond, actor, now).await?;
        record_sequences(transaction, &received).await?;
        // Of a message with several events: the strongest thing that was done.
        Ok(as_events.into_iter().chain(as_backfills).min_by_key(|booked| *booked as u8).unwrap_or(BookedAs::Duplicate))
    }

    async fn book_events(
        &self,
        transaction: &DatabaseTransaction,
        received: &[&ReceivedEvent],
        now: Timestamp,
    ) -> Result<Option<BookedAs>, RepairError> {
        if received.is_empty() {
            return Ok(None);
        }
        let booking = commit::book(transaction, received, self.closing(), now).await.map_err(refused_by_database)?;
        if let Some(conflict) = booking.conflicts.first() {
            return Err(RepairError::NotBooked(conflict.reason.clone()));
        }
        Ok(Some(match (booking.stored.is_empty(), booking.corrected) {
            (false, _) => BookedAs::Event,
            (true, 1..) => BookedAs::Correction,
            (true, 0) => BookedAs::Duplicate,
        }))
    }

    async fn backfill(
        &self,
        transaction: &DatabaseTransaction,
        entry: &QuarantineEntry,
        received: &[&ReceivedEvent],
        beyond: BeyondRetention,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Option<BookedAs>, RepairError> {
        if received.is_empty() {
            return Ok(None);
        }
        if entry.repeated {
            return Err(RepairError::NotBooked(
                "its source had these numbers committed before it came, so it is booked; reject it".to_owned(),
            ));
        }
        if beyond == BeyondRetention::Refuse {
            return Err(RepairError::NotBooked(
                "the raw events of its day are gone, so nobody can see whether it is booked; \
                 if you know that it is not, replay it with beyond_retention: backfill"
                    .to_owned(),
            ));
        }
        let corrections: Vec<_> = received.iter().map(|received| backfill_of(received, entry, actor)).collect();
        let ids: Vec<_> = corrections.iter().map(|correction| correction.id).collect();
        let there = store::correction::digests(transaction, &ids).await?;
        let new: Vec<_> = corrections.into_iter().filter(|correction| !there.contains_key(&correction.id)).collect();
        correct::book(transaction, &new, self.closing(), now).await?;
        Ok(Some(if new.is_empty() { BookedAs::Duplicate } else { BookedAs::Backfill }))
    }
}

/// The events of an entry, if every one of them can be booked.
fn checked_events(entry: &QuarantineEntry, now: Timestamp) -> Result<Vec<ReceivedEvent>, RepairError> {
    let held = held_events(entry).map_err(|error| RepairError::NotBooked(format!("{error}; reject it")))?;
    let check = |wire| {
        let received = received_event(&held.source, wire).map_err(|error| RepairError::NotBooked(error.to_string()))?;
        match window::check(received.event.admitted_at(), now) {
            // It would be in no answer until then, and its day may not be right at all.
            Err(OutsideWindow::Future) => Err(RepairError::NotBooked(format!(
                "it was admitted at {}, which is in the future; replay it then, or reject it and book a backfill",
                received.event.admitted_at()
            ))),
            Ok(()) | Err(OutsideWindow::Past) => Ok(received),
        }
    };
    held.events.iter().map(check).collect()
}

/// Numbers that an unreadable message did not name are known only now. A source that nobody has heard of announces
/// nothing, and one that is silent stays silent: this is no sign of life.
async fn record_sequences(transaction: &DatabaseTransaction, received: &[ReceivedEvent]) -> Result<(), StoreError> {
    let named = received.iter().filter(|received| !received.source.is_empty());
    let names: BTreeSet<Arc<str>> = named.map(|received| received.source.clone()).collect();
    let mut sources = store::source::load(transaction, &names).await?;
    for received in received {
        if let Some(state) = sources.get_mut(&received.source) {
            state.record(received.sequence, received.sequence, state.last_heard_at);
        }
    }
    store::source::save(transaction, &sources).await
}

/// Under the event's own id: whoever replays it, under whatever number it came, it is booked once.
fn backfill_of(received: &ReceivedEvent, entry: &QuarantineEntry, actor: &Actor) -> Correction {
    let event = &received.event;
    Correction {
        id: event.id.uuid(),
        admitted_at: event.admitted_at(),
        event: Some(event.id),
        kind: CorrectionKind::Backfill,
        reason: format!("replayed from quarantine entry {}", entry.id),
        actor: actor.user_id(),
        actor_name: actor.name().to_owned(),
        dimensions: Dimensions::of(event),
        measures: Measures::of(event),
        better: None,
    }
}

fn refused_by_database(error: StoreError) -> RepairError {
    if store::blames_the_data(&error) {
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        return RepairError::NotBooked(format!("the database refuses it: {cause}"));
    }
    error.into()
}
