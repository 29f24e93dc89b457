//! Events and corrections one by one, by time.

use maas_store::StoreError;
use maas_types::Timestamp;
use sea_orm::{
    ConnectionTrait, QueryResult,
    sea_query::{Alias, Condition, Expr, ExprTrait as _, Order, Query, SelectStatement},
};
use uuid::Uuid;

use crate::{
    domain::{
        dimensions::Dimension,
        event::day_of,
        filter::{UsageFilter, Value},
        measures::MEASURE_COLUMNS,
        period::Period,
    },
    store::analytics::allowed,
};

/// Which table: all events come first, then all corrections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Event,
    Correction,
}

/// Where a page starts: after this entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub admitted_at: Timestamp,
    pub id: Uuid,
}

#[derive(Debug, Clone)]
pub struct EntryRow {
    pub id: Uuid,
    pub admitted_at: Timestamp,
    /// In the order of [`Dimension::ALL`]; ids that are missing are nil.
    pub dimensions: Vec<Value>,
    /// In the order of [`MEASURE_COLUMNS`].
    pub measures: Vec<i64>,
    pub more: More,
}

/// What only one kind of entry has.
#[derive(Debug, Clone)]
pub enum More {
    Event {
        request_id: String,
        stream: bool,
        status: i32,
        quality: String,
        first_byte_us: Option<i64>,
        completed_us: Option<i64>,
    },
    Correction {
        kind: String,
        event_id: Option<Uuid>,
        reason: String,
    },
}

impl EntryRow {
    pub const fn position(&self) -> Position {
        Position { admitted_at: self.admitted_at, id: self.id }
    }
}

/// Up to `limit` entries of one kind after `after`, in order.
pub async fn page(
    db: &impl ConnectionTrait,
    kind: Kind,
    period: Period,
    filter: &UsageFilter,
    after: Option<Position>,
    limit: u64,
) -> Result<Vec<EntryRow>, StoreError> {
    let rows = db.query_all(&statement(kind, period, filter, after, limit)).await?;
    rows.iter().map(|row| from_db(row, kind)).collect()
}

fn statement(kind: Kind, period: Period, filter: &UsageFilter, after: Option<Position>, limit: u64) -> SelectStatement {
    let mut select = Query::select();
    select.from(kind.table()).columns(["id", "admitted_at"]);
    select.columns(Dimension::ALL.map(Dimension::column)).columns(kind.more());
    for column in MEASURE_COLUMNS {
        select.expr_as(Expr::cust(kind.measure(column)), column);
    }
    let from = after.map_or(period.from, |after| after.admitted_at);
    // As text, so that the planner sees how much of the table is meant. The day leaves out the other partitions.
    select.and_where(Expr::cust(format!("day >= {} AND day <= {}", day_of(from), day_of(period.to))));
    let (first, end) = (from.unix_ms(), period.to.unix_ms());
    select.and_where(Expr::cust(format!("admitted_at >= {first} AND admitted_at < {end}")));
    if let Some(after) = after {
        let later = Expr::cust(format!("admitted_at > {first}"));
        select.cond_where(Condition::any().add(later).add(Expr::col("id").gt(after.id)));
    }
    select.cond_where(allowed(filter));
    select.order_by("admitted_at", Order::Asc).order_by("id", Order::Asc).limit(limit);
    select
}

impl Kind {
    const fn table(self) -> &'static str {
        match self {
            Self::Event => "usage_events",
            Self::Correction => "usage_corrections",
        }
    }

    fn more(self) -> Vec<Alias> {
        let columns: &[&str] = match self {
            Self::Event => &["request_id", "stream", "status", "quality", "first_byte_us", "completed_us"],
            Self::Correction => &["kind", "event_id", "reason"],
        };
        columns.iter().map(|column| Alias::new(*column)).collect()
    }

    /// An event is one request, and its price says whether it had one.
    fn measure(self, column: &str) -> String {
        match (self, column) {
            (Self::Event, "requests") => "CAST(1 AS BIGINT)".to_owned(),
            (Self::Event, "unpriced_requests") => {
                "CAST(CASE WHEN price_id IS NULL THEN 1 ELSE 0 END AS BIGINT)".to_owned()
            }
            (_, column) => column.to_owned(),
        }
    }
}

fn from_db(row: &QueryResult, kind: Kind) -> Result<EntryRow, StoreError> {
    let dimension = |dimension: Dimension| {
        let column = dimension.column();
        Ok::<_, StoreError>(if dimension.is_id() {
            Value::Id(row.try_get_by::<Option<Uuid>, _>(column)?.unwrap_or_default())
        } else {
            Value::Text(row.try_get_by(column)?)
        })
    };
    let more = match kind {
        Kind::Event => More::Event {
            request_id: row.try_get_by("request_id")?,
            stream: row.try_get_by("stream")?,
            status: row.try_get_by("status")?,
            quality: row.try_get_by("quality")?,
            first_byte_us: row.try_get_by("first_byte_us")?,
            completed_us: row.try_get_by("completed_us")?,
        },
        Kind::Correction => More::Correction {
            kind: row.try_get_by("kind")?,
            event_id: row.try_get_by("event_id")?,
            reason: row.try_get_by("reason")?,
        },
    };
    Ok(EntryRow {
        id: row.try_get_by("id")?,
        admitted_at: Timestamp::from_unix_ms(row.try_get_by("admitted_at")?),
        dimensions: Dimension::ALL.into_iter().map(dimension).collect::<Result<_, _>>()?,
        measures: MEASURE_COLUMNS
            .iter()
            .map(|column| Ok(row.try_get_by(*column)?))
            .collect::<Result<_, StoreError>>()?,
        more,
    })
}
