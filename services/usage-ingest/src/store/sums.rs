//! The tables of sums.
//!
//! Guarantee: every table holds, at any moment, the sum over `usage_entries`: events and corrections are stored and
//! summed in one transaction, from one set of additions. Latencies are those of events only.
//!
//! A failure of any statement rolls all of them back with the entries they sum. A sum that would not fit its column is
//! refused by the database, on SQLite by a check.

use maas_store::StoreError;
use maas_types::Timestamp;
use sea_orm::{ConnectionTrait, Value};

use super::bulk::{self, Column, Kind};
use crate::domain::{
    dimensions::{Dimension, DimensionValue},
    event::day_of,
    latency::{DURATION_COLUMNS, FIRST_BYTE_COLUMNS},
    measures::MEASURE_COLUMNS,
    period::{LedgerMonth, MonthClosing},
    totals::{Additions, Folded, HOUR, Sum},
};

/// A table of sums: its key is `times` and `dimensions`, in this order.
#[derive(Debug)]
pub struct SumsTable {
    pub name: &'static str,
    pub times: &'static [&'static str],
    pub dimensions: &'static [Dimension],
    /// Whether it has the columns of [`crate::domain::latency`].
    pub latencies: bool,
}

/// Quarter hours, by everything.
pub const ROLLUPS: SumsTable =
    SumsTable { name: "usage_rollups", times: &["bucket_start"], dimensions: &Dimension::ALL, latencies: false };

/// Days (UTC, since the epoch), by everything.
pub const DAILY: SumsTable =
    SumsTable { name: "usage_daily", times: &["day"], dimensions: &Dimension::ALL, latencies: true };

const WITHOUT_KEY_AND_USER: &[Dimension] = &[
    Dimension::Team,
    Dimension::Organisation,
    Dimension::CostCentre,
    Dimension::Model,
    Dimension::Upstream,
    Dimension::Operation,
    Dimension::Outcome,
    Dimension::Currency,
];

/// Quarter hours, without key and user.
pub const OVERVIEW: SumsTable =
    SumsTable { name: "usage_overview", times: &["bucket_start"], dimensions: WITHOUT_KEY_AND_USER, latencies: true };

/// Hours (UTC), without key and user: what a day of another zone shares with two days, and series of hours.
pub const OVERVIEW_HOURLY: SumsTable = SumsTable {
    name: "usage_overview_hourly",
    times: &["bucket_start"],
    dimensions: WITHOUT_KEY_AND_USER,
    latencies: true,
};

/// Days, without key and user: what dashboards of whole months read.
pub const OVERVIEW_DAILY: SumsTable =
    SumsTable { name: "usage_overview_daily", times: &["day"], dimensions: WITHOUT_KEY_AND_USER, latencies: true };

/// Months by who pays: what chargeback is written from.
pub const LEDGER: SumsTable = SumsTable {
    name: "usage_ledger",
    times: &["month", "of_month"],
    dimensions: &[
        Dimension::Team,
        Dimension::CostCentre,
        Dimension::User,
        Dimension::Key,
        Dimension::Model,
        Dimension::Currency,
    ],
    latencies: false,
};

/// Adds to all of them. Under the partition lock, in the transaction that stores what is summed.
pub async fn add(
    transaction: &impl ConnectionTrait,
    additions: &Additions,
    closing: MonthClosing,
    now: Timestamp,
) -> Result<(), StoreError> {
    let quarter = |quarter: Timestamp| vec![quarter.unix_ms()];
    let hour = |quarter: Timestamp| vec![quarter.floor_to(HOUR).unix_ms()];
    let day = |quarter: Timestamp| vec![i64::from(day_of(quarter))];
    let month = |quarter: Timestamp| {
        let LedgerMonth { month, of_month } = closing.month_for(quarter, now);
        vec![i64::from(month), i64::from(of_month)]
    };
    ROLLUPS.add(transaction, additions.folded(quarter, ROLLUPS.dimensions)).await?;
    DAILY.add(transaction, additions.folded(day, DAILY.dimensions)).await?;
    OVERVIEW.add(transaction, additions.folded(quarter, OVERVIEW.dimensions)).await?;
    OVERVIEW_HOURLY.add(transaction, additions.folded(hour, OVERVIEW_HOURLY.dimensions)).await?;
    OVERVIEW_DAILY.add(transaction, additions.folded(day, OVERVIEW_DAILY.dimensions)).await?;
    LEDGER.add(transaction, additions.folded(month, LEDGER.dimensions)).await
}

impl SumsTable {
    async fn add(&self, transaction: &impl ConnectionTrait, rows: Folded<'_, Vec<i64>>) -> Result<(), StoreError> {
        let rows = rows.into_iter().map(|((times, values), sum)| self.row(times, values, &sum)).collect();
        let backend = transaction.get_database_backend();
        for statement in bulk::insert(backend, self.name, &self.columns(), rows, &self.add_on_conflict()) {
            transaction.execute_raw(statement).await?;
        }
        Ok(())
    }

    fn row(&self, times: Vec<i64>, values: Vec<DimensionValue<'_>>, sum: &Sum) -> Vec<Value> {
        let mut row: Vec<Value> = times.into_iter().map(Value::from).collect();
        row.extend(values.into_iter().map(|value| match value {
            DimensionValue::Id(id) => Value::from(id),
            DimensionValue::Text(text) => Value::from(text),
        }));
        row.extend(sum.measures.values().map(Value::from));
        if self.latencies {
            row.extend(sum.durations.bins().map(Value::from));
            row.extend(sum.first_bytes.bins().map(Value::from));
        }
        row
    }

    fn columns(&self) -> Vec<Column> {
        let column = |name, kind| Column { name, kind, nullable: false };
        let mut columns: Vec<_> = self.times.iter().map(|name| column(name, Kind::BigInt)).collect();
        columns.extend(self.dimensions.iter().map(|dimension| column(dimension.column(), kind_of(*dimension))));
        columns.extend(MEASURE_COLUMNS.map(|name| column(name, Kind::BigInt)));
        columns.extend(self.bin_columns().map(|name| column(name, Kind::Integer)));
        columns
    }

    /// Everything that is summed, in the order of the columns.
    pub fn summed(&self) -> impl Iterator<Item = &'static str> {
        MEASURE_COLUMNS.into_iter().chain(self.bin_columns())
    }

    fn bin_columns(&self) -> impl Iterator<Item = &'static str> {
        let columns = self.latencies.then(|| DURATION_COLUMNS.into_iter().chain(FIRST_BYTE_COLUMNS));
        columns.into_iter().flatten()
    }

    /// A row that is there grows by what comes.
    fn add_on_conflict(&self) -> String {
        let key: Vec<_> = self.times.iter().copied().chain(self.dimensions.iter().map(|key| key.column())).collect();
        let name = self.name;
        let grown: Vec<_> = self.summed().map(|sum| format!("{sum} = {name}.{sum} + excluded.{sum}")).collect();
        format!("ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), grown.join(", "))
    }
}

fn kind_of(dimension: Dimension) -> Kind {
    match dimension {
        Dimension::Key | Dimension::User | Dimension::Team | Dimension::Organisation => Kind::Uuid,
        Dimension::CostCentre
        | Dimension::Model
        | Dimension::Upstream
        | Dimension::Operation
        | Dimension::Outcome
        | Dimension::Currency => Kind::Text,
    }
}
