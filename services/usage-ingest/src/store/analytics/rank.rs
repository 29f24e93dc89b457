//! The order of groups by a metric, as two whole numbers that a database can compare and a cursor can carry.

use maas_types::Currency;
use sea_orm::sea_query::{Expr, Query, SelectStatement};

use super::{
    row::{COST_REST, COST_UNITS},
    sums::sum,
};
use crate::domain::{
    analytics::{figures::Count, metric::Metric},
    dimensions::Dimension,
};

/// Whole units, rounded down, and what is above them in nano-units. Of a count, the count and nothing.
pub(super) const UNITS: &str = "rank_units";
pub(super) const ABOVE: &str = "rank_above";

/// `SELECT group, rank …` out of sums by group and currency, which are named `cells`.
pub(super) fn ranked(
    group: &[Dimension],
    metric: Metric,
    currency: Currency,
    cells: SelectStatement,
) -> SelectStatement {
    let group = || group.iter().map(|dimension| dimension.column());
    let (units, rest) = match metric {
        Metric::Count(count) => (sum(count.as_str()), Expr::cust("0")),
        Metric::TotalTokens => {
            let (input, output) = (Count::InputTokens.as_str(), Count::OutputTokens.as_str());
            (sum(&format!("{input} + {output}")), Expr::cust("0"))
        }
        Metric::Cost => (in_currency(COST_UNITS, currency), in_currency(COST_REST, currency)),
        // Sums cannot be compared by it; its callers rank by another metric or in memory.
        Metric::Percentile(..) => (Expr::cust("0"), Expr::cust("0")),
    };
    let mut sums = Query::select();
    sums.columns(group()).expr_as(units, "units").expr_as(rest, "rest").from_subquery(cells, "cells");
    sums.group_by_columns(group());
    let mut ranked = Query::select();
    ranked.columns(group()).from_subquery(sums, "summed");
    // Division and remainder round towards zero; a rest below zero takes one unit more.
    let borrow = "CASE WHEN rest % 1000000000 < 0 THEN 1 ELSE 0 END";
    ranked.expr_as(Expr::cust(format!("units + rest / 1000000000 - {borrow}")), UNITS);
    ranked.expr_as(Expr::cust(format!("rest % 1000000000 + 1000000000 * {borrow}")), ABOVE);
    ranked
}

/// A currency is three capital letters, so its text can stand in the statement.
fn in_currency(column: &str, currency: Currency) -> Expr {
    sum(&format!("CASE WHEN currency = '{currency}' THEN {column} ELSE 0 END"))
}
