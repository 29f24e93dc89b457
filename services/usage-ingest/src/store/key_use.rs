//! First and last use of each key. Uses may be booked in any order.

use std::collections::BTreeMap;

use maas_store::StoreError;
use maas_types::Timestamp;
use sea_orm::{
    ActiveValue::Set,
    ConnectionTrait, QuerySelect as _,
    entity::prelude::*,
    sea_query::{Alias, CaseStatement, Expr, ExprTrait as _, OnConflict},
};

use super::in_statements;
use crate::domain::totals::KeyUse;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_key_uses")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub key_id: Uuid,
    pub user_id: Uuid,
    pub first_used_at: i64,
    pub last_used_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Widens what is known, in the order of the keys.
pub async fn widen(transaction: &impl ConnectionTrait, uses: &BTreeMap<Uuid, KeyUse>) -> Result<(), StoreError> {
    let rows: Vec<_> = uses
        .iter()
        .map(|(key_id, key_use)| ActiveModel {
            key_id: Set(*key_id),
            user_id: Set(key_use.user_id),
            first_used_at: Set(key_use.first.unix_ms()),
            last_used_at: Set(key_use.last.unix_ms()),
        })
        .collect();
    let (stored, new) = (|column| Expr::col((Entity, column)), |column| Expr::col((Alias::new("excluded"), column)));
    let (first, last) = (Column::FirstUsedAt, Column::LastUsedAt);
    let earliest = CaseStatement::new().case(new(first).lt(stored(first)), new(first)).finally(stored(first));
    let latest = CaseStatement::new().case(new(last).gt(stored(last)), new(last)).finally(stored(last));
    let conflict = OnConflict::column(Column::KeyId).value(first, earliest).value(last, latest).to_owned();
    for chunk in in_statements(&rows) {
        Entity::insert_many(chunk.to_vec()).on_conflict(conflict.clone()).exec_without_returning(transaction).await?;
    }
    Ok(())
}

pub async fn find(db: &impl ConnectionTrait, key: Uuid) -> Result<Option<KeyUse>, StoreError> {
    let row = Entity::find_by_id(key).one(db).await?;
    Ok(row.map(|row| KeyUse {
        user_id: row.user_id,
        first: Timestamp::from_unix_ms(row.first_used_at),
        last: Timestamp::from_unix_ms(row.last_used_at),
    }))
}

/// The last use of each of the keys that was ever used.
pub async fn last_uses(
    db: &impl ConnectionTrait,
    keys: impl IntoIterator<Item = Uuid>,
) -> Result<BTreeMap<Uuid, Timestamp>, StoreError> {
    let keys: Vec<_> = keys.into_iter().collect();
    let mut uses = BTreeMap::new();
    for chunk in in_statements(&keys) {
        let rows: Vec<(Uuid, i64)> = Entity::find()
            .select_only()
            .columns([Column::KeyId, Column::LastUsedAt])
            .filter(Column::KeyId.is_in(chunk.iter().copied()))
            .into_tuple()
            .all(db)
            .await?;
        uses.extend(rows.into_iter().map(|(key, at)| (key, Timestamp::from_unix_ms(at))));
    }
    Ok(uses)
}
