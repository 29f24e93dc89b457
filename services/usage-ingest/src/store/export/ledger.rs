//! Lines of the monthly ledger, by payer.

use maas_store::StoreError;
use sea_orm::{
    ConnectionTrait, QueryResult,
    sea_query::{Expr, ExprTrait as _, Order, Query, SelectStatement},
};

use crate::{
    domain::{
        analytics::figures::{Count, Figures},
        dimensions::Dimension,
        filter::{UsageFilter, Value},
        measures::MEASURE_COLUMNS,
    },
    store::{
        analytics::{allowed, bound, values},
        sums::LEDGER,
    },
};

const OF_MONTH: &str = "of_month";
const COST_UNITS: &str = "cost_units";
const COST_REST: &str = "cost_rest";

/// What counts in the ledger; it does not know outcomes.
pub const COUNTS: [(Count, &str); 10] = [
    (Count::Requests, MEASURE_COLUMNS[0]),
    (Count::UnpricedRequests, MEASURE_COLUMNS[1]),
    (Count::InputTokens, MEASURE_COLUMNS[2]),
    (Count::CachedInputTokens, MEASURE_COLUMNS[3]),
    (Count::CacheWriteInputTokens, MEASURE_COLUMNS[4]),
    (Count::AudioInputTokens, MEASURE_COLUMNS[5]),
    (Count::OutputTokens, MEASURE_COLUMNS[6]),
    (Count::ReasoningTokens, MEASURE_COLUMNS[7]),
    (Count::AudioOutputTokens, MEASURE_COLUMNS[8]),
    (Count::Images, MEASURE_COLUMNS[9]),
];

/// What one payer used of one model in one month, in one currency.
#[derive(Debug, Clone)]
pub struct Line {
    /// The month of its admission, year × 100 + month.
    pub of_month: i32,
    /// Payer, model and currency.
    pub group: [Value; 3],
    pub figures: Figures,
}

/// Up to `limit` lines that are booked in a month, after `after`, by payer, model, currency and month of admission.
pub async fn page(
    db: &impl ConnectionTrait,
    month: i32,
    payer: Dimension,
    filter: &UsageFilter,
    after: Option<&Line>,
    limit: u64,
) -> Result<Vec<Line>, StoreError> {
    let rows = db.query_all(&statement(month, payer, filter, after, limit)).await?;
    rows.iter().map(|row| from_db(row, payer)).collect()
}

fn statement(month: i32, payer: Dimension, filter: &UsageFilter, after: Option<&Line>, limit: u64) -> SelectStatement {
    let group = columns(payer).map(Dimension::column);
    let mut select = Query::select();
    select.from(LEDGER.name).columns(group).column(OF_MONTH);
    for (_, column) in COUNTS {
        select.expr_as(Expr::cust(format!("CAST(SUM({column}) AS BIGINT)")), column);
    }
    // In two parts, since the sum of many rows may exceed i64.
    select.expr_as(Expr::cust("CAST(SUM(cost_nanos / 1000000000) AS BIGINT)"), COST_UNITS);
    select.expr_as(Expr::cust("CAST(SUM(cost_nanos % 1000000000) AS BIGINT)"), COST_REST);
    select.and_where(Expr::col("month").eq(month)).cond_where(allowed(filter));
    if let Some(after) = after {
        let names = Expr::tuple(group.into_iter().chain([OF_MONTH]).map(Expr::col));
        let last = after.group.iter().map(|value| Expr::val(bound(value))).chain([Expr::val(after.of_month)]);
        select.and_where(names.gt(Expr::tuple(last)));
    }
    for column in group.into_iter().chain([OF_MONTH]) {
        select.group_by_col(column).order_by(column, Order::Asc);
    }
    select.limit(limit);
    select
}

const fn columns(payer: Dimension) -> [Dimension; 3] {
    [payer, Dimension::Model, Dimension::Currency]
}

fn from_db(row: &QueryResult, payer: Dimension) -> Result<Line, StoreError> {
    let number = |column: &str| Ok::<_, StoreError>(i128::from(row.try_get_by::<i64, _>(column)?));
    let mut figures = Figures::default();
    for (count, column) in COUNTS {
        figures.add_count(count, number(column)?);
    }
    let group: [Value; 3] = values(row, &columns(payer))?
        .try_into()
        .map_err(|_| StoreError::corrupt(LEDGER.name, "currency", "a line has three names"))?;
    let [_, _, currency] = &group;
    let currency = match currency {
        Value::Text(text) => text.parse().map_err(|_| StoreError::corrupt(LEDGER.name, "currency", text))?,
        Value::Id(id) => return Err(StoreError::corrupt(LEDGER.name, "currency", id)),
    };
    figures.add_cost(currency, number(COST_UNITS)? * 1_000_000_000 + number(COST_REST)?);
    Ok(Line { of_month: row.try_get_by(OF_MONTH)?, group, figures })
}
