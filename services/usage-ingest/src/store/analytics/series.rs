//! The largest groups of a question, and each of them over time with the rest as one.

use maas_store::StoreError;
use maas_types::Currency;
use sea_orm::{
    ConnectionTrait,
    sea_query::{Alias, CaseStatement, Condition, Expr, ExprTrait as _, Order, Query, SelectStatement},
};

use super::{
    parts::{bin_columns, bound, has_time},
    rank::{ABOVE, UNITS, ranked},
    row::{COST_REST, COST_UNITS, STRETCH, figures, values},
    sums::{sum, sums},
};
use crate::domain::{
    analytics::{figures::Figures, metric::Metric, question::Question},
    dimensions::Dimension,
    filter::Value,
};

const SERIES: &str = "series";

/// Up to `limit` groups, the largest first; equal ones by name. The question wants what the metric needs.
pub async fn largest(
    db: &impl ConnectionTrait,
    question: &Question,
    metric: Metric,
    currency: Currency,
    limit: u64,
) -> Result<Vec<Vec<Value>>, StoreError> {
    let mut select = ranked(&question.group, metric, currency, sums(question));
    select.order_by(UNITS, Order::Desc).order_by(ABOVE, Order::Desc).limit(limit);
    for dimension in &question.group {
        select.order_by(dimension.column(), Order::Asc);
    }
    let rows = db.query_all(&select).await?;
    rows.iter().map(|row| values(row, &question.group)).collect()
}

/// The sums of one series in one stretch.
#[derive(Debug, Clone)]
pub struct Point {
    pub stretch: usize,
    /// The place in the list of named groups; its length for all others together.
    pub series: usize,
    pub figures: Figures,
}

/// The named groups over time, and all others as one series. A point comes once for each currency.
pub async fn points(
    db: &impl ConnectionTrait,
    question: &Question,
    named: &[Vec<Value>],
) -> Result<Vec<Point>, StoreError> {
    let rows = db.query_all(&collapsed(question, named)).await?;
    let number = |row: &sea_orm::QueryResult, column| {
        let number: i64 = row.try_get_by(column)?;
        usize::try_from(number).map_err(|_| StoreError::corrupt("usage sums", column, number))
    };
    let point = |row| {
        let stretch = if has_time(question) { number(row, STRETCH)? } else { 0 };
        Ok(Point { stretch, series: number(row, SERIES)?, figures: figures(row, &question.wanted)? })
    };
    rows.iter().map(point).collect()
}

fn collapsed(question: &Question, named: &[Vec<Value>]) -> SelectStatement {
    let mut select = Query::select();
    select.from_subquery(sums(question), "cells");
    if has_time(question) {
        select.column(STRETCH).group_by_col(STRETCH);
    }
    select.expr_as(series_number(&question.group, named), SERIES).group_by_col(SERIES);
    if question.wanted.cost {
        select.column(Dimension::Currency.column()).group_by_col(Dimension::Currency.column());
        for column in [COST_UNITS, COST_REST] {
            select.expr_as(sum(column), column);
        }
    }
    let counts = question.wanted.counts.iter().map(|count| count.as_str());
    for column in counts.chain(question.wanted.latencies.iter().flat_map(|latency| bin_columns(*latency))) {
        select.expr_as(sum(column), column);
    }
    select
}

fn series_number(group: &[Dimension], named: &[Vec<Value>]) -> Expr {
    let number = |place: usize| Expr::cust(format!("CAST({place} AS BIGINT)"));
    if named.is_empty() {
        return number(0);
    }
    let mut case = CaseStatement::new();
    for (place, values) in named.iter().enumerate() {
        let same = group.iter().zip(values).fold(Condition::all(), |same, (dimension, value)| {
            same.add(Expr::col(Alias::new(dimension.column())).eq(bound(value)))
        });
        case = case.case(same, number(place));
    }
    case.finally(number(named.len())).into()
}
