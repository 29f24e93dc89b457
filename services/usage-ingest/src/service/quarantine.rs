//! The quarantine as people see it, and the decision that each entry gets.
//!
//! Guarantee: a decision, with who made it and why, and its audit record commit together. An entry that is decided is
//! never decided otherwise.

use maas_events::audit_entry::Actor;
use maas_store::{StoreError, outbox};
use maas_types::{PageLimit, Timestamp};
use sea_orm::DatabaseTransaction;
use serde::Serialize;

use super::repair::{Repair, RepairError};
use crate::{
    audit::done,
    domain::quarantine::{BookedAs, Decision, QuarantineEntry, QuarantineId, QuarantineState},
    store::{
        self,
        lock::PARTITION,
        quarantine::{Position, QuarantineFilter},
    },
};

#[derive(Debug, Serialize)]
struct AuditedDecision<'a> {
    state: &'static str,
    booked_as: Option<&'static str>,
    reason: &'a str,
    event_id: Option<uuid::Uuid>,
}

impl Repair {
    pub async fn quarantine_entry(&self, id: QuarantineId) -> Result<QuarantineEntry, RepairError> {
        let found = store::quarantine::find(self.database.reader(), id).await?;
        found.ok_or(RepairError::NotFound("quarantine entry"))
    }

    /// A page of the quarantine, newest first, and where the next one starts.
    pub async fn list_quarantine(
        &self,
        filter: &QuarantineFilter,
        after: Option<Position>,
        limit: PageLimit,
    ) -> Result<(Vec<QuarantineEntry>, Option<Position>), StoreError> {
        let limit = limit.get() as usize;
        // One more than asked for says whether there is a next page.
        let mut entries = store::quarantine::page(self.database.reader(), filter, after, limit as u64 + 1).await?;
        let more = entries.len() > limit;
        entries.truncate(limit);
        let last = entries.last().filter(|_| more);
        let next = last.map(|entry| Position { received_at: entry.received_at.unix_ms(), id: entry.id });
        Ok((entries, next))
    }

    /// Decides that an entry is never to be booked. It stays as evidence.
    pub async fn reject(&self, id: QuarantineId, reason: &str, actor: &Actor) -> Result<QuarantineEntry, RepairError> {
        let now = self.clock.now();
        let transaction = self.database.begin().await?;
        store::lock::hold_partition(&transaction, PARTITION).await?;
        let mut entry = find(&transaction, id).await?;
        if !entry.state.decide(QuarantineState::Rejected)? {
            return Ok(entry);
        }
        let decision = decision(actor, reason, None, now);
        save(&transaction, &mut entry, QuarantineState::Rejected, decision, actor).await?;
        transaction.commit().await.map_err(StoreError::from)?;
        self.signal.wake();
        Ok(entry)
    }
}

/// Reads an entry that is about to be decided; under the partition lock.
pub(super) async fn find(transaction: &DatabaseTransaction, id: QuarantineId) -> Result<QuarantineEntry, RepairError> {
    store::quarantine::find(transaction, id).await?.ok_or(RepairError::NotFound("quarantine entry"))
}

pub(super) fn decision(actor: &Actor, reason: &str, booked_as: Option<BookedAs>, now: Timestamp) -> Decision {
    Decision { at: now, by: actor.user_id(), by_name: actor.name().to_owned(), reason: reason.to_owned(), booked_as }
}

/// Writes a decision and its audit record.
pub(super) async fn save(
    transaction: &DatabaseTransaction,
    entry: &mut QuarantineEntry,
    state: QuarantineState,
    decision: Decision,
    actor: &Actor,
) -> Result<(), StoreError> {
    store::quarantine::decide(transaction, entry.id, state, &decision).await?;
    let after = AuditedDecision {
        state: state.as_str(),
        booked_as: decision.booked_as.map(BookedAs::as_str),
        reason: &decision.reason,
        event_id: entry.event_id,
    };
    let action = match state {
        QuarantineState::Rejected => "usage.quarantine.reject",
        QuarantineState::Held | QuarantineState::Replayed => "usage.quarantine.replay",
    };
    let resource_id = entry.id.to_string();
    let audit = done(actor, action, ("usage_quarantine_entry", resource_id), &after, decision.at);
    outbox::append(transaction, [audit], decision.at).await?;
    entry.state = state;
    entry.decision = Some(decision);
    Ok(())
}
