//! Corrections and backfills that people book.
//!
//! Guarantee: what a correction says is booked once under its id, however often it is sent; with its reason, who booked
//! it and an audit record, in one transaction. A correction of an event follows the event to where its usage is booked
//! now, and cannot take away more than is there.
//!
//! What happens at each failure: nothing is booked unless everything is. Whoever did not hear the answer sends the same
//! again and gets what was booked then.

use maas_events::audit_entry::Actor;
use maas_store::{StoreError, outbox};
use maas_types::{CorrectionId, Currency, EventId, Money, PageLimit, Timestamp, input::InputFault};
use sea_orm::DatabaseTransaction;
use serde::Serialize;

use super::{
    correct::{self, CorrectError},
    repair::{Repair, RepairError},
};
use crate::{
    audit::done,
    domain::{
        correction::{Correction, CorrectionKind},
        dimensions::Dimensions,
        event::day_of,
        measures::{MEASURE_COLUMNS, Measures},
    },
    store::{
        self,
        correction_list::{BookedCorrection, CorrectionFilter, Position},
        lock::PARTITION,
    },
};

#[derive(Debug, Clone)]
pub struct CorrectionInput {
    pub id: CorrectionId,
    pub target: CorrectionTarget,
    pub reason: String,
    /// Signed; their cost is that of `cost`.
    pub measures: Measures,
    /// Signed. None: the cost does not change.
    pub cost: Option<Money>,
}

#[derive(Debug, Clone)]
pub enum CorrectionTarget {
    /// A booked event: its dimensions and its time.
    Event(EventId),
    /// Usage that has no event. The currency is that of the cost.
    Usage { admitted_at: Timestamp, dimensions: Dimensions },
}

#[derive(Debug, Serialize)]
struct AuditedCorrection<'a> {
    kind: &'static str,
    event_id: Option<EventId>,
    reason: &'a str,
    admitted_at: Timestamp,
    user_id: uuid::Uuid,
    model: &'a str,
    currency: &'a str,
    measures: std::collections::BTreeMap<&'static str, i64>,
}

impl Repair {
    /// Books it, or finds that it is booked; the flag says whether it is new.
    pub async fn record_correction(
        &self,
        input: &CorrectionInput,
        actor: &Actor,
    ) -> Result<(BookedCorrection, bool), RepairError> {
        let now = self.clock.now();
        let transaction = self.database.begin().await?;
        store::lock::hold_partition(&transaction, PARTITION).await?;
        if let Some(booked) = store::correction_list::find(&transaction, input.id).await? {
            let same = input.is_booked_as(&booked.correction, actor);
            return if same { Ok((booked, false)) } else { Err(CorrectError::IdTaken(input.id.uuid()).into()) };
        }
        let correction = prepare(&transaction, input, actor).await?;
        correct::book(&transaction, std::slice::from_ref(&correction), self.closing(), now).await?;
        outbox::append(&transaction, [audit(&correction, input.id, actor, now)], now).await?;
        transaction.commit().await.map_err(StoreError::from)?;
        self.signal.wake();
        Ok((BookedCorrection { correction, created_at: now }, true))
    }

    /// A page of all corrections, newest first, and where the next one starts.
    pub async fn list_corrections(
        &self,
        filter: &CorrectionFilter,
        after: Option<Position>,
        limit: PageLimit,
    ) -> Result<(Vec<BookedCorrection>, Option<Position>), StoreError> {
        let limit = limit.get() as usize;
        // One more than asked for says whether there is a next page.
        let mut rows = store::correction_list::page(self.database.reader(), filter, after, limit as u64 + 1).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let position = |row: &BookedCorrection| Position {
            created_at: row.created_at.unix_ms(),
            id: CorrectionId::from_uuid(row.correction.id),
        };
        let next = rows.last().filter(|_| more).map(position);
        Ok((rows, next))
    }
}

impl CorrectionInput {
    /// The same, asked for by the same person. Where an event's usage is booked may have changed since.
    fn is_booked_as(&self, booked: &Correction, actor: &Actor) -> bool {
        let same_target = match &self.target {
            CorrectionTarget::Event(event) => booked.event == Some(*event),
            CorrectionTarget::Usage { admitted_at, dimensions } => {
                booked.event.is_none() && booked.admitted_at == *admitted_at && booked.dimensions == *dimensions
            }
        };
        let measures = Measures { cost_nanos: self.cost_nanos(), ..self.measures };
        let same_currency = self.cost.is_none_or(|cost| cost.currency == booked.dimensions.currency);
        let same_words = booked.reason == self.reason && booked.actor == actor.user_id();
        same_target && same_currency && same_words && booked.measures == measures
    }

    fn cost_nanos(&self) -> i64 {
        self.cost.map_or(0, |cost| cost.amount.0)
    }
}

async fn prepare(
    transaction: &DatabaseTransaction,
    input: &CorrectionInput,
    actor: &Actor,
) -> Result<Correction, RepairError> {
    let measures = Measures { cost_nanos: input.cost_nanos(), ..input.measures };
    let (kind, event, admitted_at, dimensions) = match &input.target {
        CorrectionTarget::Usage { admitted_at, dimensions } => {
            (CorrectionKind::Backfill, None, *admitted_at, dimensions.clone())
        }
        CorrectionTarget::Event(event) => {
            let (dimensions, booked) = booked_now(transaction, *event).await?;
            check_currency(input.cost, dimensions.currency)?;
            check_remainder(&booked, &measures)?;
            (CorrectionKind::Manual, Some(*event), event.created_at(), dimensions)
        }
    };
    Ok(Correction {
        id: input.id.uuid(),
        admitted_at,
        event,
        kind,
        reason: input.reason.clone(),
        actor: actor.user_id(),
        actor_name: actor.name().to_owned(),
        dimensions,
        measures,
        better: None,
    })
}

/// Where most of an event's usage is booked, and what is booked there.
async fn booked_now(transaction: &DatabaseTransaction, event: EventId) -> Result<(Dimensions, Measures), RepairError> {
    let booked = store::correction_list::booked_for(transaction, event).await?;
    if let Some(found) = booked.into_iter().max_by_key(|(_, measures)| measures.requests) {
        return Ok(found);
    }
    let is_gone = day_of(event.created_at()) < store::retention::raw_floor(transaction).await?;
    let (code, detail) = if is_gone {
        ("not_held", "the raw events of its day are gone; say in `usage` what to book instead")
    } else {
        ("unknown", "no such event is booked")
    };
    Err(RepairError::Invalid(vec![InputFault::new("/event_id", code, detail)]))
}

fn check_currency(cost: Option<Money>, booked: Currency) -> Result<(), RepairError> {
    match cost {
        Some(cost) if cost.currency != booked => {
            let detail = format!("the event was charged in {booked}");
            Err(RepairError::Invalid(vec![InputFault::new("/cost/currency", "invalid_value", detail)]))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_remainder(booked: &Measures, change: &Measures) -> Result<(), RepairError> {
    let values = MEASURE_COLUMNS.into_iter().zip(booked.values()).zip(change.values());
    let too_much = values.filter(|((_, booked), change)| *change < 0 && booked.saturating_add(*change) < 0);
    let faults: Vec<_> = too_much
        .map(|((measure, booked), _)| {
            let pointer = if measure == "cost_nanos" { "/cost".to_owned() } else { format!("/{measure}") };
            InputFault::new(pointer, "out_of_range", format!("only {booked} is booked for this event"))
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(RepairError::Invalid(faults)) }
}

fn audit(correction: &Correction, id: CorrectionId, actor: &Actor, now: Timestamp) -> maas_events::Delivery {
    let measures = MEASURE_COLUMNS.into_iter().zip(correction.measures.values());
    let after = AuditedCorrection {
        kind: correction.kind.as_str(),
        event_id: correction.event,
        reason: &correction.reason,
        admitted_at: correction.admitted_at,
        user_id: correction.dimensions.user_id,
        model: &correction.dimensions.model,
        currency: correction.dimensions.currency.as_str(),
        measures: measures.filter(|(_, value)| *value != 0).collect(),
    };
    done(actor, "usage.correction.create", ("usage_correction", id.to_string()), &after, now)
}
