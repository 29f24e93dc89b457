//! Reads for the proof: sources page by page, and the sums of a day from the entries and from every table of sums.

use maas_store::{Database, StoreError, ids::unsigned_from_db};
use maas_types::Timestamp;
use sea_orm::{
    AccessMode, ColumnTrait as _, Condition, ConnectionTrait, DatabaseBackend, DatabaseTransaction, EntityTrait as _,
    IsolationLevel, QueryFilter as _, QueryOrder as _, QueryResult, QuerySelect as _, TransactionTrait as _,
    sea_query::{Alias, Expr, ExprTrait as _, Query, SelectStatement},
};

use super::{
    source::{self, Column, Entity, Sources},
    sums::{DAILY, LEDGER, OVERVIEW, OVERVIEW_DAILY, OVERVIEW_HOURLY, ROLLUPS},
};
use crate::domain::{
    measures::MEASURE_COLUMNS,
    reconciliation::{Group, GroupSums, SourceStanding},
};

const DAY_MS: i64 = 86_400_000;
/// A proof that takes longer is given up; the ingest beside it is worth more.
const MOST_SECONDS: u32 = 120;
/// A sum over many rows may exceed i64, so it is read in two parts.
const UNIT: i128 = 1_000_000_000;

/// Which sources a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceFilter {
    pub standing: Option<SourceStanding>,
    /// Only those that miss something they announced.
    pub missing: bool,
}

/// At most `limit` sources after the named one, in the order of their names.
pub async fn sources(
    db: &impl ConnectionTrait,
    filter: &SourceFilter,
    lost_before: Timestamp,
    after: Option<&str>,
    limit: u64,
) -> Result<Sources, StoreError> {
    let mut query = Entity::find().order_by_asc(Column::Source).limit(limit);
    if let Some(standing) = filter.standing {
        query = query.filter(standing_is(standing, lost_before));
    }
    if filter.missing {
        query = query.filter(Column::PendingSequence.is_not_null());
    }
    if let Some(after) = after {
        query = query.filter(Column::Source.gt(after));
    }
    source::from_db(db, query.all(db).await?).await
}

/// How many sources stand like this.
pub async fn count(
    db: &impl ConnectionTrait,
    standing: SourceStanding,
    lost_before: Timestamp,
) -> Result<u64, StoreError> {
    let count: Option<i64> = Entity::find()
        .select_only()
        .column_as(Column::Source.count(), "sources")
        .filter(standing_is(standing, lost_before))
        .into_tuple()
        .one(db)
        .await?;
    unsigned_from_db("usage_sources", "count", standing.as_str(), count.unwrap_or(0))
}

fn standing_is(standing: SourceStanding, lost_before: Timestamp) -> Condition {
    let open = Condition::all().add(Column::Closed.eq(false));
    match standing {
        SourceStanding::Closed => Condition::all().add(Column::Closed.eq(true)),
        SourceStanding::Live => open.add(Column::LastHeardAt.gt(lost_before.unix_ms())),
        SourceStanding::Lost => open.add(Column::LastHeardAt.lte(lost_before.unix_ms())),
    }
}

/// A transaction in which all reads see one moment: sums and entries must be of the same.
pub async fn one_moment(database: &Database) -> Result<DatabaseTransaction, StoreError> {
    if database.backend() != DatabaseBackend::Postgres {
        return Ok(database.reader().begin().await?);
    }
    let (level, mode) = (IsolationLevel::RepeatableRead, AccessMode::ReadOnly);
    let transaction = database.reader().begin_with_config(Some(level), Some(mode)).await?;
    transaction.execute_unprepared(&format!("SET LOCAL statement_timeout = '{MOST_SECONDS}s'")).await?;
    Ok(transaction)
}

/// The entries of a day.
pub async fn entries_of_day(db: &impl ConnectionTrait, day: i32) -> Result<GroupSums, StoreError> {
    sums(db, "usage_entries", "day", day.into(), day.into()).await
}

/// The tables that hold a day's usage by itself, the quarter hours first.
pub async fn sums_of_day(db: &impl ConnectionTrait, day: i32) -> Result<Vec<(&'static str, GroupSums)>, StoreError> {
    let start = i64::from(day).saturating_mul(DAY_MS);
    // Starts of quarter hours, and of hours.
    let starts = (start, start.saturating_add(DAY_MS - 1));
    let days = (i64::from(day), i64::from(day));
    let mut tables = Vec::new();
    let finer = [ROLLUPS, OVERVIEW, OVERVIEW_HOURLY].map(|table| (table, starts));
    let daily = [DAILY, OVERVIEW_DAILY].map(|table| (table, days));
    for (table, (first, last)) in finer.into_iter().chain(daily) {
        let time = table.times.first().copied().unwrap_or_default();
        tables.push((table.name, sums(db, table.name, time, first, last).await?));
    }
    Ok(tables)
}

/// What the ledger has of a month, in whichever month it was booked, and what the days of that month come to.
pub async fn sums_of_month(
    db: &impl ConnectionTrait,
    month: i32,
    first_day: i32,
    last_day: i32,
) -> Result<(GroupSums, GroupSums), StoreError> {
    let ledger = sums(db, LEDGER.name, "of_month", month.into(), month.into()).await?;
    let days = sums(db, OVERVIEW_DAILY.name, "day", first_day.into(), last_day.into()).await?;
    Ok((ledger, days))
}

async fn sums(
    db: &impl ConnectionTrait,
    table: &'static str,
    time: &'static str,
    first: i64,
    last: i64,
) -> Result<GroupSums, StoreError> {
    let rows = db.query_all(&grouped(table, time, first, last)).await?;
    rows.iter().map(group_from_db).collect()
}

fn grouped(table: &'static str, time: &'static str, first: i64, last: i64) -> SelectStatement {
    let mut select = Query::select();
    select.from(table).columns(["model", "currency"]).and_where(Expr::col(time).between(first, last));
    for measure in MEASURE_COLUMNS {
        for (part, operator) in [("units", '/'), ("rest", '%')] {
            let sum = format!("CAST(SUM({measure} {operator} {UNIT}) AS BIGINT)");
            select.expr_as(Expr::cust(sum), Alias::new(format!("{measure}_{part}")));
        }
    }
    select.group_by_columns(["model", "currency"]);
    select
}

fn group_from_db(row: &QueryResult) -> Result<(Group, [i128; MEASURE_COLUMNS.len()]), StoreError> {
    let mut values = [0; MEASURE_COLUMNS.len()];
    for (value, measure) in values.iter_mut().zip(MEASURE_COLUMNS) {
        let part = |part| row.try_get_by::<i64, _>(format!("{measure}_{part}").as_str());
        *value = i128::from(part("units")?) * UNIT + i128::from(part("rest")?);
    }
    Ok((Group { model: row.try_get_by("model")?, currency: row.try_get_by("currency")? }, values))
}
