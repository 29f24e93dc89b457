//! The number that proves that no usage is missing: how each source stands, what waits in the stream, and whether the
//! sums of a day are the sum of its entries.
//!
//! Guarantee: entries and sums are compared as they were at one moment, so that a difference is one. A check reads one
//! day of raw events; of each day the last one is kept, and days of which the raw events are gone are still compared
//! among their sums.

use std::{collections::BTreeMap, time::Duration};

use maas_bus::ConsumerStatus;
use maas_store::StoreError;
use maas_types::{PageLimit, Timestamp, UtcDay};
use sea_orm::ConnectionTrait;

use super::{consumer::consumer_spec, repair::Repair, writer::unanswered};
use crate::{
    domain::{
        completeness::{LOST_AFTER, complete_until},
        received::RefusalKind,
        reconciliation::{GroupSums, Proof, SourceStanding, SourceTotals, TableProof, missing},
    },
    store::{self, reconciliation::SourceFilter, source::Sources, sums::LEDGER},
};

/// Whoever asks within this time after a check gets its result.
const FRESH_FOR: Duration = Duration::from_secs(60);
/// Longer than the database may take for any of its statements; whoever waits behind must not wait for ever.
const LONGEST_PROOF: Duration = Duration::from_secs(300);
const ENTRIES: &str = "usage_entries";

#[derive(Debug)]
pub struct Reconciliation {
    pub now: Timestamp,
    pub complete_until: Timestamp,
    pub totals: SourceTotals,
    /// None: the bus cannot say now.
    pub stream: Option<ConsumerStatus>,
    pub quarantine: Vec<(RefusalKind, u64)>,
    pub sources: Sources,
    /// The name of the last source, where another page follows.
    pub next: Option<String>,
    pub proofs: BTreeMap<i32, (Timestamp, Proof)>,
}

#[derive(Debug, Clone, Default)]
pub struct ReconciliationQuestion {
    pub filter: SourceFilter,
    pub after: Option<String>,
    /// Check this day now. Without it the last checks of today and yesterday are answered.
    pub day: Option<UtcDay>,
}

impl Repair {
    pub async fn reconcile(
        &self,
        question: &ReconciliationQuestion,
        limit: PageLimit,
    ) -> Result<Reconciliation, StoreError> {
        let (now, db) = (self.clock.now(), self.database.reader());
        let current = store::source::load_current(db, now.minus(LOST_AFTER)).await?;
        let (sources, next) = self.page_of_sources(question, limit, now).await?;
        let proofs = match question.day {
            Some(day) => [(day.0, self.proof_of(day).await?)].into(),
            None => {
                let today = UtcDay::of(now).0;
                store::proof::load(db, [today - 1, today]).await?
            }
        };
        Ok(Reconciliation {
            now,
            complete_until: complete_until(current.values(), now),
            totals: totals(db, &current, now).await?,
            stream: self.bus.consumer_status(&consumer_spec(&self.settings)).await.ok(),
            quarantine: store::quarantine::held(db).await?,
            sources,
            next,
            proofs,
        })
    }

    async fn page_of_sources(
        &self,
        question: &ReconciliationQuestion,
        limit: PageLimit,
        now: Timestamp,
    ) -> Result<(Sources, Option<String>), StoreError> {
        let (db, lost_before) = (self.database.reader(), now.minus(LOST_AFTER));
        let limit = limit.get() as usize;
        let after = question.after.as_deref();
        // One more than asked for says whether there is a next page.
        let mut sources =
            store::reconciliation::sources(db, &question.filter, lost_before, after, limit as u64 + 1).await?;
        let more = sources.len() > limit;
        while sources.len() > limit {
            sources.pop_last();
        }
        let last = sources.last_key_value().filter(|_| more).map(|(name, _)| name.to_string());
        Ok((sources, last))
    }

    /// A check that is fresh, or a new one. One at a time: each reads a day.
    async fn proof_of(&self, day: UtcDay) -> Result<(Timestamp, Proof), StoreError> {
        let _alone = self.proving.lock().await;
        let last = store::proof::load(self.database.reader(), [day.0]).await?.remove(&day.0);
        match last.filter(|(checked_at, _)| self.clock.now().since(*checked_at) < FRESH_FOR) {
            Some(fresh) => Ok(fresh),
            None => self.prove(day).await,
        }
    }

    /// Checks a day and keeps the result.
    pub async fn prove(&self, day: UtcDay) -> Result<(Timestamp, Proof), StoreError> {
        tokio::time::timeout(LONGEST_PROOF, self.try_to_prove(day)).await.unwrap_or_else(|_| Err(unanswered()))
    }

    async fn try_to_prove(&self, day: UtcDay) -> Result<(Timestamp, Proof), StoreError> {
        // The time before it: what is committed from here on may not be in it.
        let checked_at = self.clock.now();
        let moment = store::reconciliation::one_moment(&self.database).await?;
        let proof = compare(&moment, day).await?;
        moment.rollback().await?;
        store::proof::keep(self.database.writer(), day.0, checked_at, &proof).await?;
        Ok((checked_at, proof))
    }
}

async fn totals(db: &impl ConnectionTrait, current: &Sources, now: Timestamp) -> Result<SourceTotals, StoreError> {
    let lost_before = now.minus(LOST_AFTER);
    let count = |standing| store::reconciliation::count(db, standing, lost_before);
    let mut totals = SourceTotals {
        live: count(SourceStanding::Live).await?,
        closed: count(SourceStanding::Closed).await?,
        lost: count(SourceStanding::Lost).await?,
        ..SourceTotals::default()
    };
    for source in current.values() {
        let missing = missing(source, now);
        totals.open_requests += source.open_requests;
        totals.missing_events = totals.missing_events.saturating_add(missing.events);
        totals.missing_since = totals.missing_since.into_iter().chain(missing.since).min();
    }
    Ok(totals)
}

async fn compare(moment: &impl ConnectionTrait, day: UtcDay) -> Result<Proof, StoreError> {
    let tables = store::reconciliation::sums_of_day(moment, day.0).await?;
    let is_held = day.0 >= store::retention::raw_floor(moment).await?;
    let (compared_with, expected) = match tables.first() {
        Some((quarters, sums)) if !is_held => (*quarters, sums.clone()),
        _ => (ENTRIES, store::reconciliation::entries_of_day(moment, day.0).await?),
    };
    let mut proofs: Vec<_> = tables.iter().map(|(table, sums)| TableProof::of(table, sums, &expected)).collect();
    // The ledger knows months only: it is compared with all days of the month, which are proven one by one.
    let (first, last) = day.month();
    let (ledger, days) = store::reconciliation::sums_of_month(moment, day.month_number(), first.0, last.0).await?;
    proofs.push(TableProof::of(LEDGER.name, &ledger, &days));
    Ok(Proof { compared_with: compared_with.to_owned(), requests: requests(&expected), tables: proofs })
}

fn requests(sums: &GroupSums) -> u64 {
    let requests: i128 = sums.values().filter_map(|measures| measures.first()).sum();
    u64::try_from(requests).unwrap_or(0)
}
