//! The rows of a question, from every table of its plan: one `UNION ALL` with the same columns.
//!
//! Times are written into the text of the statement and not bound: with a bound value the planner would have to guess
//! how much of a table is meant, and it guesses wrong. What people typed is always bound.

use sea_orm::sea_query::{
    Alias, Condition, Expr, ExprTrait as _, Func, IntoCondition as _, JoinType, Query, SelectStatement, UnionType,
};
use uuid::Uuid;

use crate::domain::{
    analytics::{
        figures::{Count, Latency},
        plan::{Part, Share, Table},
        question::Question,
    },
    dimensions::Dimension,
    event::day_of,
    filter::{UsageFilter, Value, Visibility},
    latency::{BOUNDS_MS, DURATION_COLUMNS, FIRST_BYTE_COLUMNS},
    period::Period,
};

/// A time in the stretch that a row counts in, in milliseconds.
pub(super) const TIME: &str = "time_ms";
pub(super) const COST: &str = "cost_nanos";
/// 1 where a moved row is counted, -1 where it is taken back from.
const SIGN: &str = "sign";
const DAY_MS: i64 = 86_400_000;
const NOON_MS: i64 = DAY_MS / 2;
const HOUR_MS: i64 = 3_600_000;
const BUCKET_MS: i64 = 900_000;
/// Rows' times that are listed one by one: found by index, and the planner knows how many they are.
const MOST_STARTS: i64 = 1_500;

/// The columns are [`TIME`] if the question has several stretches, its [`columns`], and what it wants summed.
pub(super) fn rows(question: &Question) -> SelectStatement {
    let mut selects = Vec::new();
    for part in &question.parts {
        for times in scans(part) {
            selects.extend(sources(part.table).iter().map(|source| rows_of(*source, part, times, question)));
        }
    }
    let mut selects = selects.into_iter();
    // A period has at least one part.
    let mut all = selects.next().unwrap_or_default();
    for more in selects {
        all.union(UnionType::All, more);
    }
    all
}

/// What rows are told apart by: the group, and the currency wherever costs are summed.
pub(super) fn columns(question: &Question) -> Vec<Dimension> {
    let mut columns = question.group.clone();
    if question.wanted.cost && !columns.contains(&Dimension::Currency) {
        columns.push(Dimension::Currency);
    }
    columns
}

/// Where rows are read from. Entries come from both of their tables and not from the view of them, whose missing ids are
/// filled in so that no index could find the rows of a key or a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Sums(&'static str),
    Events,
    Corrections,
}

const fn sources(table: Table) -> &'static [Source] {
    match table {
        Table::Daily => &[Source::Sums("usage_daily")],
        Table::OverviewDaily => &[Source::Sums("usage_overview_daily")],
        Table::OverviewHourly => &[Source::Sums("usage_overview_hourly")],
        Table::Overview => &[Source::Sums("usage_overview")],
        Table::Rollups => &[Source::Sums("usage_rollups")],
        Table::Entries => &[Source::Events, Source::Corrections],
    }
}

/// Times that are read in one scan each: a few stretches one by one, since a database reads a stretch of an index best;
/// many together.
fn scans(part: &Part) -> impl Iterator<Item = &[Period]> {
    const FEW: usize = 4;
    part.times.chunks(if part.times.len() <= FEW { 1 } else { part.times.len() })
}

/// Types are cast where a table has a constant: Postgres sums a union in one pass only if its parts have equal types.
fn rows_of(source: Source, part: &Part, times: &[Period], question: &Question) -> SelectStatement {
    let mut select = Query::select();
    select.from(match source {
        Source::Sums(table) => table,
        Source::Events => "usage_events",
        Source::Corrections => "usage_corrections",
    });
    if part.share == Share::Moved {
        select.join_subquery(JoinType::InnerJoin, both_signs(), "sides", Expr::cust("1 = 1"));
    }
    if has_time(question) {
        select.expr_as(Expr::cust(time(part)), TIME);
    }
    for dimension in columns(question) {
        let column = Expr::col(dimension.column());
        match source {
            Source::Events if dimension.is_id() => {
                select.expr_as(Func::coalesce([column, Expr::val(Uuid::nil())]), dimension.column())
            }
            _ => select.expr(column),
        };
    }
    for count in &question.wanted.counts {
        select.expr_as(signed(part.share, &counted(*count, source)), count.as_str());
    }
    if question.wanted.cost {
        select.expr_as(signed(part.share, COST), COST);
    }
    for latency in &question.wanted.latencies {
        for (bin, column) in bin_columns(*latency).into_iter().enumerate() {
            let counted = match source {
                Source::Sums(_) => column.to_owned(),
                Source::Events => in_bin(*latency, bin),
                Source::Corrections => "0".to_owned(),
            };
            select.expr_as(signed(part.share, &counted), column);
        }
    }
    select.and_where(Expr::cust(within(part.table, times))).cond_where(allowed(&question.filter));
    select
}

pub(super) fn has_time(question: &Question) -> bool {
    question.runs.len() > 1
        || question.runs.first().is_some_and(|run| run.from.unix_ms() + run.width_ms < run.to.unix_ms())
}

/// A time in the stretch that the row counts in: its own, and of a day its noon.
fn time(part: &Part) -> String {
    let own = match part.table {
        Table::Daily | Table::OverviewDaily => return format!("CAST(day AS BIGINT) * {DAY_MS} + {NOON_MS}"),
        Table::OverviewHourly | Table::Overview | Table::Rollups => "bucket_start",
        Table::Entries => "admitted_at",
    };
    match part.share {
        Share::Own => own.to_owned(),
        Share::Moved => format!("CASE WHEN {SIGN} > 0 THEN {own} ELSE {own} / {DAY_MS} * {DAY_MS} + {NOON_MS} END"),
    }
}

/// Each row is read once and comes twice.
fn both_signs() -> SelectStatement {
    let mut minus = Query::select();
    minus.expr(Expr::cust("-1"));
    let mut both = Query::select();
    both.expr_as(Expr::cust("1"), SIGN).union(UnionType::All, minus);
    both
}

fn signed(share: Share, amount: &str) -> Expr {
    match share {
        Share::Own => Expr::cust(amount.to_owned()),
        Share::Moved => Expr::cust(format!("{SIGN} * ({amount})")),
    }
}

fn counted(count: Count, source: Source) -> String {
    let requests = if source == Source::Events { "CAST(1 AS BIGINT)" } else { "requests" };
    match (count, source) {
        (Count::Requests, _) => requests.to_owned(),
        (Count::Errors, _) => {
            let fine = Count::FINE.map(|outcome| format!("'{}'", outcome.as_str())).join(", ");
            format!("CASE WHEN outcome IN ({fine}) THEN CAST(0 AS BIGINT) ELSE {requests} END")
        }
        (Count::UnpricedRequests, Source::Events) => {
            "CAST(CASE WHEN price_id IS NULL THEN 1 ELSE 0 END AS BIGINT)".to_owned()
        }
        (Count::ReasoningTokens, _) => "reasoning_output_tokens".to_owned(),
        (other, _) => other.as_str().to_owned(),
    }
}

pub(super) const fn bin_columns(latency: Latency) -> [&'static str; DURATION_COLUMNS.len()] {
    match latency {
        Latency::Duration => DURATION_COLUMNS,
        Latency::FirstByte => FIRST_BYTE_COLUMNS,
    }
}

/// 1 for an entry whose latency falls in the bin.
fn in_bin(latency: Latency, bin: usize) -> String {
    let micros = match latency {
        Latency::Duration => "completed_us",
        Latency::FirstByte => "first_byte_us",
    };
    let above = bin.checked_sub(1).and_then(|below| BOUNDS_MS.get(below)).map(|bound| format!("{micros} > {bound}000"));
    let up_to = BOUNDS_MS.get(bin).map(|bound| format!("{micros} <= {bound}000"));
    let inside: Vec<_> = above.into_iter().chain(up_to).collect();
    format!("CASE WHEN {} THEN 1 ELSE 0 END", inside.join(" AND "))
}

fn within(table: Table, times: &[Period]) -> String {
    let ranges = || {
        let each: Vec<_> = times.iter().map(|times| format!("({})", between(table, *times))).collect();
        format!("({})", each.join(" OR "))
    };
    let (column, width_ms, unit_ms) = match table {
        Table::Entries => return ranges(),
        Table::Daily | Table::OverviewDaily => ("day", DAY_MS, DAY_MS),
        Table::OverviewHourly => ("bucket_start", HOUR_MS, 1),
        Table::Overview | Table::Rollups => ("bucket_start", BUCKET_MS, 1),
    };
    let rows = times.iter().map(|times| (times.to.unix_ms() - times.from.unix_ms()) / width_ms).sum::<i64>();
    if times.len() == 1 || rows > MOST_STARTS {
        return ranges();
    }
    format!("{column} IN ({})", starts(times, width_ms, unit_ms))
}

/// The starts of the rows of some width in these times, in a unit.
fn starts(times: &[Period], width_ms: i64, unit_ms: i64) -> String {
    let of_each = |times: &Period| {
        let (from, to) = (times.from.unix_ms(), times.to.unix_ms());
        (0..).map(move |number| from + number * width_ms).take_while(move |start| *start < to)
    };
    let starts: Vec<_> = times.iter().flat_map(of_each).map(|start| (start / unit_ms).to_string()).collect();
    starts.join(", ")
}

fn between(table: Table, times: Period) -> String {
    let (from, to) = (times.from.unix_ms(), times.to.unix_ms());
    match table {
        Table::Daily | Table::OverviewDaily => {
            format!("day >= {} AND day < {}", day_of(times.from), day_of(times.to))
        }
        Table::OverviewHourly | Table::Overview | Table::Rollups => {
            format!("bucket_start >= {from} AND bucket_start < {to}")
        }
        // The day leaves out the other partitions.
        Table::Entries => {
            let (first, last) = (day_of(times.from), day_of(times.to));
            format!("day >= {first} AND day <= {last} AND admitted_at >= {from} AND admitted_at < {to}")
        }
    }
}

/// The rows that a filter lets through. Events have NULL for a missing team, which is nobody's.
pub(in crate::store) fn allowed(filter: &UsageFilter) -> Condition {
    let mut condition = Condition::all();
    if let Visibility::Of { user, teams } = filter.visible() {
        let own = Expr::col(Dimension::User.column()).eq(user.uuid());
        let teams: Vec<_> = teams.iter().map(|team| Value::Id(team.uuid())).collect();
        condition = condition.add(match teams.as_slice() {
            [] => own.into_condition(),
            teams => Condition::any().add(own).add(any_of(Dimension::Team, teams)),
        });
    }
    for (dimension, values) in filter.wanted() {
        condition = condition.add(any_of(dimension, values));
    }
    condition
}

fn any_of(dimension: Dimension, values: &[Value]) -> Expr {
    let column = Expr::col(Alias::new(dimension.column()));
    match values {
        [value] => column.eq(bound(value)),
        values => column.is_in(values.iter().map(bound)),
    }
}

pub(in crate::store) fn bound(value: &Value) -> sea_orm::Value {
    match value {
        Value::Id(id) => (*id).into(),
        Value::Text(text) => text.as_str().into(),
    }
}
