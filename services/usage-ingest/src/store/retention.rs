//! From which day on raw events are held.
//!
//! Guarantee: of a day at or above the floor no event was ever dropped, so an id that is not found there is not booked.
//! Whoever drops events raises the floor first, in a transaction that has committed before the first of them goes.

use maas_store::StoreError;
use sea_orm::{ConnectionTrait, QuerySelect as _, entity::prelude::*};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_retention")]
pub struct Model {
    /// There is one row.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    /// Days since the epoch.
    pub raw_floor: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

const ROW: i32 = 1;

/// The first day, since the epoch, of which all raw events are held.
pub async fn raw_floor(db: &impl ConnectionTrait) -> Result<i32, StoreError> {
    let floor: Option<i32> =
        Entity::find_by_id(ROW).select_only().column(Column::RawFloor).into_tuple().one(db).await?;
    floor.ok_or_else(|| StoreError::corrupt("usage_retention", "id", ROW))
}

/// Says that events of days before `day` may be gone from now on. A floor that is higher already stays.
pub async fn raise_raw_floor(db: &impl ConnectionTrait, day: i32) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::RawFloor, Expr::value(day))
        .filter(Column::Id.eq(ROW))
        .filter(Column::RawFloor.lt(day))
        .exec(db)
        .await?;
    Ok(())
}
