//! Rows and queries. Functions take the connection, so that the use case decides what commits together.

pub mod audit;
pub mod group_mapping;
pub mod organisation;
pub mod revoked_token;
pub mod session;
pub mod sign_in_attempt;
pub mod signing_key;
pub mod team;
pub mod team_member;
pub mod user;
pub mod user_facts;
pub mod user_group;
pub mod user_identity;
pub mod user_list;
pub mod user_rights;

use maas_store::{StoreError, classify};
use maas_types::UserId;
use sea_orm::{
    ConnectionTrait, ExprTrait as _,
    sea_query::{Expr, Func, IntoColumnRef, LikeExpr, SelectStatement, SimpleExpr},
};
use uuid::Uuid;

/// `text` somewhere in the column, whatever its case.
fn contains_text(column: impl IntoColumnRef, text: &str) -> SimpleExpr {
    Expr::expr(Func::lower(Expr::col(column))).like(like_pattern(text))
}

/// The pattern of a column that is in lower case already.
fn like_pattern(text: &str) -> LikeExpr {
    let escaped: String = text
        .to_lowercase()
        .chars()
        .flat_map(|c| if matches!(c, '%' | '_' | '\\') { vec!['\\', c] } else { vec![c] })
        .collect();
    LikeExpr::new(format!("%{escaped}%")).escape('\\')
}

/// The answer to a question for the ids of users.
async fn user_ids(db: &impl ConnectionTrait, query: &SelectStatement) -> Result<Vec<UserId>, StoreError> {
    let rows = db.query_all(query).await.map_err(classify)?;
    rows.into_iter().map(|row| row.try_get_by_index::<Uuid>(0).map(UserId::from_uuid).map_err(classify)).collect()
}
