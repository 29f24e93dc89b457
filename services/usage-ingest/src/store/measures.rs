//! The columns that rollup and ledger share, and adding to them.

use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, IntoIden, OnConflict};

/// `INSERT … ON CONFLICT (key) DO UPDATE SET column = table.column + excluded.column` for each of the columns.
pub fn add_on_conflict<C>(
    table: &'static str,
    key: impl IntoIterator<Item = C>,
    sums: impl IntoIterator<Item = C>,
) -> OnConflict
where
    C: IntoIden + Copy,
{
    let mut conflict = OnConflict::columns(key);
    for column in sums {
        let stored = Expr::col((Alias::new(table), column));
        conflict.value(column, stored.add(Expr::col((Alias::new("excluded"), column))));
    }
    conflict
}
