//! The table `user_groups`: the groups of each person's last sign-in or token exchange.

use std::collections::HashMap;

use maas_store::{StoreError, classify};
use maas_types::UserId;
use sea_orm::{
    ActiveValue::Set,
    Order, QueryOrder,
    entity::prelude::*,
    sea_query::{Query, SelectStatement},
};

mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "user_groups")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub user_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub group_name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity};

/// The groups of these people, in order. Who has none is not in the answer.
pub async fn of_users(db: &impl ConnectionTrait, users: &[UserId]) -> Result<HashMap<UserId, Vec<String>>, StoreError> {
    let of_users = Entity::find().filter(Column::UserId.is_in(users.iter().map(|id| id.uuid())));
    let rows = of_users.order_by_asc(Column::GroupName).all(db).await.map_err(classify)?;
    let mut groups: HashMap<UserId, Vec<String>> = HashMap::new();
    for row in rows {
        groups.entry(UserId::from_uuid(row.user_id)).or_default().push(row.group_name);
    }
    Ok(groups)
}

/// Puts these groups in the place of all that the person had.
pub async fn replace(db: &impl ConnectionTrait, user: UserId, groups: &[String]) -> Result<(), StoreError> {
    Entity::delete_many().filter(Column::UserId.eq(user.uuid())).exec(db).await.map_err(classify)?;
    if groups.is_empty() {
        return Ok(());
    }
    let row = |group: &String| ActiveModel { user_id: Set(user.uuid()), group_name: Set(group.clone()) };
    Entity::insert_many(groups.iter().map(row)).exec_without_returning(db).await.map_err(classify)?;
    Ok(())
}

/// Who is in this group, a batch at a time in the order of ids.
pub async fn members(
    db: &impl ConnectionTrait,
    group: &str,
    after: Option<UserId>,
    size: u64,
) -> Result<Vec<UserId>, StoreError> {
    let mut query = members_of(group);
    query.order_by(Column::UserId, Order::Asc).limit(size);
    if let Some(after) = after {
        query.and_where(Column::UserId.gt(after.uuid()));
    }
    super::user_ids(db, &query).await
}

/// For a list: the ids of who is in a group.
pub fn members_of(group: &str) -> SelectStatement {
    let mut query = Query::select();
    query.column(Column::UserId).from(Entity).and_where(Column::GroupName.eq(group));
    query
}
