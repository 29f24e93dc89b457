//! Answers about usage: sums over time, by group, and the values there are to filter by.
//!
//! Every answer is of one moment: its statements share a snapshot, in which `complete_until` is read, too.

pub mod breakdown;
pub mod filters;
pub mod series;
pub mod summary;

use std::collections::BTreeSet;

use maas_store::{Database, StoreError};
use maas_types::{Currency, Timestamp};
use sea_orm::{ConnectionTrait, DatabaseTransaction};

use crate::{
    domain::{
        analytics::{
            figures::Wanted,
            plan::{Needs, answerable},
            question::{NotHeld, Question, needs},
        },
        completeness::{LOST_AFTER, complete_until},
        dimensions::Dimension,
        filter::{UsageFilter, Value},
        period::Period,
    },
    store,
};

/// The ledger as it is asked.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub database: Database,
    /// The platform's own.
    pub currency: Currency,
    pub now: Timestamp,
    /// Entries admitted at this time or later are held.
    pub entries_since: Timestamp,
}

/// Which usage, of which time.
#[derive(Debug, Clone)]
pub struct Usage {
    pub period: Period,
    pub filter: UsageFilter,
}

/// What every answer says besides its figures.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    /// What was answered; wider than what was asked for at an edge whose entries are gone.
    pub period: Period,
    /// The one that costs are given in: the only one asked for, else the platform's.
    pub currency: Currency,
    pub complete_until: Timestamp,
}

const DAY_MS: i64 = 86_400_000;

#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(transparent)]
    NotHeld(#[from] NotHeld),
    #[error("the answer would have more than {0} points")]
    TooManyPoints(usize),
    #[error("more than {0} groups cannot be sorted by a percentile")]
    TooManyGroups(usize),
    #[error(
        "over more than a day, percentiles by key or user are known of whole days (UTC) only: ask for interval=day, week \
         or month without a time_zone, or for one key or user"
    )]
    DaysOnly,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Ledger {
    pub async fn open(database: &Database, currency: Currency, now: Timestamp) -> Result<Self, StoreError> {
        Self::open_in(database.reader(), database, currency, now).await
    }

    /// With what is held as a snapshot sees it.
    pub async fn open_in(
        snapshot: &impl ConnectionTrait,
        database: &Database,
        currency: Currency,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let floor = store::retention::raw_floor(snapshot).await?;
        let entries_since = Timestamp::from_unix_ms(i64::from(floor).saturating_mul(DAY_MS));
        Ok(Self { database: database.clone(), currency, now, entries_since })
    }

    /// The moment that an answer is about.
    async fn snapshot(&self) -> Result<DatabaseTransaction, StoreError> {
        store::snapshot::begin(&self.database).await
    }

    async fn scope(&self, db: &impl ConnectionTrait, usage: &Usage, needs: Needs) -> Result<Scope, StoreError> {
        let sources = store::source::load_current(db, self.now.minus(LOST_AFTER)).await?;
        Ok(Scope {
            period: answerable(usage.period, needs, self.entries_since),
            currency: currency_of(&usage.filter).unwrap_or(self.currency),
            complete_until: complete_until(sources.values(), self.now),
        })
    }

    /// Of an answer without latencies that is read from a snapshot.
    pub async fn scope_in(&self, snapshot: &impl ConnectionTrait, usage: &Usage) -> Result<Scope, StoreError> {
        self.scope(snapshot, usage, needs(&usage.filter, &[], &Wanted::default())).await
    }

    pub(super) fn question(
        &self,
        stretches: &[Period],
        filter: &UsageFilter,
        group: &[Dimension],
        wanted: Wanted,
    ) -> Result<Question, NotHeld> {
        Question::new(stretches, filter.clone(), group.to_vec(), wanted, self.entries_since)
    }
}

/// The same question about the keys and users of these groups only.
fn narrowed(filter: &UsageFilter, group: &[Dimension], named: &[Vec<Value>]) -> UsageFilter {
    let people = group.iter().enumerate().filter(|(_, dimension)| dimension.is_about_people());
    people.fold(filter.clone(), |filter, (place, dimension)| {
        let values: BTreeSet<_> = named.iter().filter_map(|group| group.get(place)).cloned().collect();
        filter.with(*dimension, values.into_iter().collect())
    })
}

fn currency_of(filter: &UsageFilter) -> Option<Currency> {
    match filter.only(Dimension::Currency)? {
        Value::Text(text) => text.parse().ok(),
        Value::Id(_) => None,
    }
}
