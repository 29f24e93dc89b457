//! The values that a dimension has in some usage.

use maas_store::StoreError;
use sea_orm::{
    ConnectionTrait,
    sea_query::{Expr, ExprTrait as _, Order, Query},
};
use uuid::Uuid;

use super::{parts::rows, row::values as values_of};
use crate::domain::{analytics::question::Question, filter::Value};

/// What values must begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prefix {
    /// In any case.
    Text(String),
    /// The first and the last id that begin like it.
    Ids(Uuid, Uuid),
}

/// Up to `limit` values of the question's first dimension, in order.
pub async fn values(
    db: &impl ConnectionTrait,
    question: &Question,
    prefix: Option<&Prefix>,
    limit: u64,
) -> Result<Vec<Value>, StoreError> {
    let Some(column) = question.group.first().map(|dimension| dimension.column()) else { return Ok(Vec::new()) };
    let mut select = Query::select();
    select.distinct().column(column).from_subquery(rows(question), "part").order_by(column, Order::Asc).limit(limit);
    match prefix {
        None => {}
        Some(Prefix::Ids(first, last)) => {
            select.and_where(Expr::col(column).between(*first, *last));
        }
        Some(Prefix::Text(text)) => {
            let length = text.chars().count();
            let beginning = Expr::cust(format!("LOWER(SUBSTR({column}, 1, {length}))"));
            select.and_where(beginning.eq(sea_orm::sea_query::Func::lower(Expr::val(text.as_str()))));
        }
    }
    let rows = db.query_all(&select).await?;
    let found: Result<Vec<_>, _> = rows.iter().map(|row| values_of(row, &question.group)).collect();
    Ok(found?.into_iter().flatten().collect())
}
