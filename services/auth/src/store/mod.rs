//! Rows and queries. Functions take the connection, so that the use case decides what commits together.

pub mod audit;
pub mod session;
pub mod user;

use sea_orm::{
    ExprTrait as _,
    sea_query::{Expr, Func, IntoColumnRef, LikeExpr, SimpleExpr},
};

/// `text` somewhere in the column, whatever its case.
fn contains_text(column: impl IntoColumnRef, text: &str) -> SimpleExpr {
    let escaped: String = text
        .to_lowercase()
        .chars()
        .flat_map(|c| if matches!(c, '%' | '_' | '\\') { vec!['\\', c] } else { vec![c] })
        .collect();
    let pattern = LikeExpr::new(format!("%{escaped}%")).escape('\\');
    Expr::expr(Func::lower(Expr::col(column))).like(pattern)
}
