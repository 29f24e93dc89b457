//! Sums by group and stretch of time.

use maas_store::StoreError;
use sea_orm::{
    ConnectionTrait,
    sea_query::{Expr, Query, SelectStatement},
};

use super::{
    parts::{COST, TIME, bin_columns, columns, has_time, rows},
    row::{COST_REST, COST_UNITS, STRETCH, fold},
};
use crate::domain::{
    analytics::question::{Cell, Question},
    dimensions::Dimension,
};

/// Every group in every stretch in which it has rows. The number of groups is the caller's to bound.
pub async fn cells(db: &impl ConnectionTrait, question: &Question) -> Result<Vec<Cell>, StoreError> {
    let found = db.query_all(&sums(question)).await?;
    fold(&found, &question.group, &question.wanted)
}

/// As [`cells`]; `None`: there are more than `most`.
pub async fn cells_up_to(
    db: &impl ConnectionTrait,
    question: &Question,
    most: usize,
) -> Result<Option<Vec<Cell>>, StoreError> {
    // A group has a row for each of its currencies, of which there are few.
    const CURRENCIES: usize = 4;
    let found = db.query_all(sums(question).limit((most * CURRENCIES) as u64 + 1)).await?;
    if found.len() > most * CURRENCIES {
        return Ok(None);
    }
    let cells = fold(&found, &question.group, &question.wanted)?;
    Ok((cells.len() <= most).then_some(cells))
}

/// `SELECT stretch, columns, sums … GROUP BY stretch, columns`.
///
/// A cost is summed in two parts, whole units and rest, since the sum of many rows may exceed i64.
pub(in crate::store) fn sums(question: &Question) -> SelectStatement {
    let mut select = Query::select();
    select.from_subquery(rows(question), "part");
    if has_time(question) {
        select.expr_as(Expr::cust(stretch_number(question)), STRETCH).group_by_col(STRETCH);
    }
    let columns = columns(question).into_iter().map(Dimension::column);
    select.columns(columns.clone()).group_by_columns(columns);
    for count in &question.wanted.counts {
        select.expr_as(sum(count.as_str()), count.as_str());
    }
    if question.wanted.cost {
        select.expr_as(sum(&format!("{COST} / 1000000000")), COST_UNITS);
        select.expr_as(sum(&format!("{COST} % 1000000000")), COST_REST);
    }
    for column in question.wanted.latencies.iter().flat_map(|latency| bin_columns(*latency)) {
        select.expr_as(sum(column), column);
    }
    select
}

pub(super) fn sum(of: &str) -> Expr {
    Expr::cust(format!("CAST(SUM({of}) AS BIGINT)"))
}

/// The number of the stretch that a row lies in, by the arithmetic of the runs.
fn stretch_number(question: &Question) -> String {
    let number = |run: &crate::domain::analytics::buckets::Run| {
        format!("{} + ({TIME} - {}) / {}", run.first, run.from.unix_ms(), run.width_ms)
    };
    match question.runs.as_slice() {
        [] => "0".to_owned(),
        [run] => number(run),
        [runs @ .., last] => {
            let cases = runs.iter().map(|run| format!("WHEN {TIME} < {} THEN {}", run.to.unix_ms(), number(run)));
            format!("CASE {} ELSE {} END", cases.collect::<Vec<_>>().join(" "), number(last))
        }
    }
}
