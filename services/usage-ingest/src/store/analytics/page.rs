//! A page of groups in the order of a metric or of their names, with the sums of all groups; one statement, so that
//! page and totals are of the same moment.

use maas_store::StoreError;
use maas_types::Currency;
use sea_orm::{
    ConnectionTrait, QueryResult,
    sea_query::{
        Alias, CommonTableExpression, Condition, Expr, ExprTrait as _, JoinType, Order, Query, SelectStatement,
        UnionType, WithClause,
    },
};
use serde::{Deserialize, Serialize};

use super::{
    parts::{bin_columns, bound, columns},
    rank::{ABOVE, UNITS, ranked},
    row::{COST_REST, COST_UNITS, figures, values},
    sums::{sum, sums},
};
use crate::domain::{
    analytics::{figures::Figures, metric::Metric, question::Question},
    dimensions::Dimension,
    filter::Value,
};

const CELLS: &str = "cells";
const PAGE: &str = "page";
const IS_TOTAL: &str = "is_total";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// None: by name.
    pub metric: Option<Metric>,
    pub descending: bool,
    /// The one that costs are compared in.
    pub currency: Currency,
}

/// Where a page starts: after this group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub rank: Rank,
    pub group: Vec<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rank {
    pub units: i64,
    pub above: i64,
}

#[derive(Debug, Clone)]
pub struct Group {
    pub position: Position,
    pub figures: Figures,
}

#[derive(Debug, Clone, Default)]
pub struct Page {
    pub groups: Vec<Group>,
    /// Of all groups, not only of this page.
    pub totals: Figures,
}

/// Up to `limit` groups after `after`.
pub async fn page(
    db: &impl ConnectionTrait,
    question: &Question,
    sort: Sort,
    after: Option<&Position>,
    limit: u64,
) -> Result<Page, StoreError> {
    let rows = db.query_all(&statement(question, sort, after, limit)).await?;
    let mut page = Page::default();
    for row in &rows {
        let figures = figures(row, &question.wanted)?;
        if row.try_get_by::<i64, _>(IS_TOTAL)? == 1 {
            page.totals.add(&figures);
        } else {
            add_to_groups(&mut page.groups, position(row, question)?, figures);
        }
    }
    Ok(page)
}

/// Rows come in the order of the page, those of one group, a row for each currency, together.
fn add_to_groups(groups: &mut Vec<Group>, position: Position, figures: Figures) {
    match groups.last_mut() {
        Some(last) if last.position.group == position.group => last.figures.add(&figures),
        _ => groups.push(Group { position, figures }),
    }
}

fn position(row: &QueryResult, question: &Question) -> Result<Position, StoreError> {
    let rank = Rank { units: row.try_get_by(UNITS)?, above: row.try_get_by(ABOVE)? };
    Ok(Position { rank, group: values(row, &question.group)? })
}

fn statement(question: &Question, sort: Sort, after: Option<&Position>, limit: u64) -> SelectStatement {
    let all_cells = || Query::select().expr(Expr::cust("*")).from(CELLS).to_owned();
    let page = match sort.metric {
        Some(metric) => ranked(&question.group, metric, sort.currency, all_cells()),
        None => unranked(question, all_cells()),
    };
    let mut placed = Query::select();
    placed.expr(Expr::cust("*")).from_subquery(page, "placed");
    if let Some(after) = after {
        placed.cond_where(behind(question, sort, after));
    }
    order(&mut placed, question, sort);
    placed.limit(limit);

    let cte = |name, query: SelectStatement| {
        let mut cte = CommonTableExpression::new();
        cte.table_name(name).query(query);
        cte
    };
    let mut with = WithClause::new();
    with.cte(cte(CELLS, sums(question))).cte(cte(PAGE, placed));
    let mut groups = of_page(question);
    groups.union(UnionType::All, of_all(question)).with_cte(with);
    order_named(&mut groups, question, sort);
    groups
}

/// By name, all ranks are equal.
fn unranked(question: &Question, cells: SelectStatement) -> SelectStatement {
    let mut select = Query::select();
    select.distinct().columns(question.group.iter().map(|dimension| dimension.column()));
    for column in [UNITS, ABOVE] {
        select.expr_as(Expr::cust("CAST(0 AS BIGINT)"), column);
    }
    select.from_subquery(cells, "cells");
    select
}

/// The rows of the groups on the page.
fn of_page(question: &Question) -> SelectStatement {
    let mut select = Query::select();
    select.expr_as(Expr::cust("CAST(0 AS BIGINT)"), IS_TOTAL);
    select.columns([UNITS, ABOVE].map(|column| (Alias::new(PAGE), Alias::new(column))));
    // SQLite orders a union only by columns that are named.
    for column in columns(question).into_iter().map(Dimension::column).chain(summed(question)) {
        select.expr_as(Expr::col((Alias::new(CELLS), Alias::new(column))), column);
    }
    let same = question.group.iter().fold(Condition::all(), |same, dimension| {
        let of = |table| Expr::col((Alias::new(table), Alias::new(dimension.column())));
        same.add(of(CELLS).eq(of(PAGE)))
    });
    select.from(PAGE).join(JoinType::InnerJoin, CELLS, same);
    select
}

/// The sums over all groups, a row for each currency.
fn of_all(question: &Question) -> SelectStatement {
    let mut select = Query::select();
    for column in ["CAST(1 AS BIGINT)", "CAST(0 AS BIGINT)", "CAST(0 AS BIGINT)"] {
        select.expr(Expr::cust(column));
    }
    for dimension in columns(question) {
        match dimension {
            Dimension::Currency if question.wanted.cost => {
                select.column(dimension.column()).group_by_col(dimension.column())
            }
            _ => select.expr(Expr::cust("NULL")),
        };
    }
    for column in summed(question) {
        select.expr(sum(column));
    }
    select.from(CELLS);
    select
}

fn summed(question: &Question) -> impl Iterator<Item = &'static str> {
    let wanted = &question.wanted;
    let counts = wanted.counts.iter().map(|count| count.as_str());
    let costs = wanted.cost.then_some([COST_UNITS, COST_REST]).into_iter().flatten();
    counts.chain(costs).chain(wanted.latencies.iter().flat_map(|latency| bin_columns(*latency)))
}

fn order(select: &mut SelectStatement, question: &Question, sort: Sort) {
    let by_rank = if sort.descending && sort.metric.is_some() { Order::Desc } else { Order::Asc };
    let by_name = if sort.descending && sort.metric.is_none() { Order::Desc } else { Order::Asc };
    select.order_by(UNITS, by_rank.clone()).order_by(ABOVE, by_rank);
    for dimension in &question.group {
        select.order_by(dimension.column(), by_name.clone());
    }
}

/// As [`order`], over the union, with the rows of one group side by side.
fn order_named(select: &mut SelectStatement, question: &Question, sort: Sort) {
    select.order_by(IS_TOTAL, Order::Asc);
    order(select, question, sort);
}

/// What comes after a position, in the order of [`order`].
fn behind(question: &Question, sort: Sort, after: &Position) -> Condition {
    let later = |column: &'static str, value: i64| {
        let column = Expr::col(column);
        if sort.descending { column.lt(value) } else { column.gt(value) }
    };
    let same = |column: &'static str, value: i64| Expr::col(column).eq(value);
    let names = Expr::tuple(question.group.iter().map(|dimension| Expr::col(dimension.column())));
    let last = Expr::tuple(after.group.iter().map(|value| Expr::val(bound(value))));
    let later_name = if sort.descending && sort.metric.is_none() { names.lt(last) } else { names.gt(last) };
    let Rank { units, above } = after.rank;
    let same_units =
        Condition::any().add(later(ABOVE, above)).add(Condition::all().add(same(ABOVE, above)).add(later_name));
    Condition::any().add(later(UNITS, units)).add(Condition::all().add(same(UNITS, units)).add(same_units))
}
