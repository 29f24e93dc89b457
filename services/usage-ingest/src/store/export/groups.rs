//! Sums by group in one stretch of time, by name.

use maas_store::StoreError;
use sea_orm::{
    ConnectionTrait,
    sea_query::{Expr, ExprTrait as _, Order},
};

use crate::{
    domain::{
        analytics::{figures::Figures, question::Question},
        filter::Value,
    },
    store::analytics::{bound, figures, sums, values},
};

/// Up to `limit` groups after `after`, in the database's order of their names. The question's group names the currency,
/// so that each row is in one.
pub async fn page(
    db: &impl ConnectionTrait,
    question: &Question,
    after: Option<&[Value]>,
    limit: u64,
) -> Result<Vec<(Vec<Value>, Figures)>, StoreError> {
    let mut select = sums(question);
    let columns = || question.group.iter().map(|dimension| dimension.column());
    if let Some(after) = after {
        let names = Expr::tuple(columns().map(Expr::col));
        select.and_where(names.gt(Expr::tuple(after.iter().map(|value| Expr::val(bound(value))))));
    }
    for column in columns() {
        select.order_by(column, Order::Asc);
    }
    let rows = db.query_all(select.limit(limit)).await?;
    rows.iter().map(|row| Ok((values(row, &question.group)?, figures(row, &question.wanted)?))).collect()
}
