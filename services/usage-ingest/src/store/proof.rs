//! The last check of each day.

use std::collections::BTreeMap;

use maas_store::{StoreError, ids::time_from_db};
use maas_types::Timestamp;
use sea_orm::{ActiveValue::Set, ConnectionTrait, entity::prelude::*, sea_query::OnConflict};

use crate::domain::reconciliation::Proof;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_proofs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: i32,
    pub checked_at: i64,
    /// JSON.
    pub proof: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The last checks of the given days, as far as there are any.
pub async fn load(
    db: &impl ConnectionTrait,
    days: impl IntoIterator<Item = i32>,
) -> Result<BTreeMap<i32, (Timestamp, Proof)>, StoreError> {
    let rows = Entity::find().filter(Column::Day.is_in(days)).all(db).await?;
    rows.into_iter()
        .map(|row| {
            let corrupt = |_| StoreError::corrupt("usage_proofs", "proof", row.day);
            Ok((row.day, (time_from_db(row.checked_at), serde_json::from_str(&row.proof).map_err(corrupt)?)))
        })
        .collect()
}

/// Keeps the check of a day in place of an earlier one.
pub async fn keep(db: &impl ConnectionTrait, day: i32, checked_at: Timestamp, proof: &Proof) -> Result<(), StoreError> {
    let row = ActiveModel {
        day: Set(day),
        checked_at: Set(checked_at.unix_ms()),
        // Maps of texts to numbers always have a JSON form.
        proof: Set(serde_json::to_string(proof).unwrap_or_default()),
    };
    let newest = OnConflict::column(Column::Day)
        .update_columns([Column::CheckedAt, Column::Proof])
        .action_and_where(Expr::cust("usage_proofs.checked_at <= excluded.checked_at"))
        .to_owned();
    Entity::insert(row).on_conflict(newest).exec_without_returning(db).await?;
    Ok(())
}
