//! The table `revoked_tokens`.

use std::collections::HashMap;

use maas_store::{StoreError, classify, ids::time_from_db};
use maas_types::{Timestamp, TokenId, UserId};
use sea_orm::{ActiveValue::Set, QueryOrder as _, entity::prelude::*};

use crate::domain::revoked_token::RevokedToken;

mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "revoked_tokens")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub user_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub token_id: Uuid,
        pub expires_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity};

/// Writes exactly these; the person's row is locked.
pub async fn replace(db: &impl ConnectionTrait, user: UserId, revoked: &[RevokedToken]) -> Result<(), StoreError> {
    Entity::delete_many().filter(Column::UserId.eq(user.uuid())).exec(db).await.map_err(classify)?;
    if revoked.is_empty() {
        return Ok(());
    }
    let rows = revoked.iter().map(|token| ActiveModel {
        user_id: Set(user.uuid()),
        token_id: Set(token.id.uuid()),
        expires_at: Set(token.expires_at.unix_ms()),
    });
    Entity::insert_many(rows).exec_without_returning(db).await.map_err(classify)?;
    Ok(())
}

/// Of each of these people, newest first.
pub async fn of_users(
    db: &impl ConnectionTrait,
    users: &[UserId],
) -> Result<HashMap<UserId, Vec<RevokedToken>>, StoreError> {
    let ids = users.iter().map(|user| user.uuid());
    let query = Entity::find().filter(Column::UserId.is_in(ids)).order_by_desc(Column::TokenId);
    let mut found: HashMap<UserId, Vec<RevokedToken>> = HashMap::new();
    for row in query.all(db).await.map_err(classify)? {
        let token = RevokedToken { id: TokenId::from_uuid(row.token_id), expires_at: time_from_db(row.expires_at) };
        found.entry(UserId::from_uuid(row.user_id)).or_default().push(token);
    }
    Ok(found)
}

pub async fn is_revoked(db: &impl ConnectionTrait, user: UserId, token: TokenId) -> Result<bool, StoreError> {
    let found = Entity::find_by_id((user.uuid(), token.uuid())).one(db).await.map_err(classify)?;
    Ok(found.is_some())
}

/// Those that could not be used any more anyway. What was told of them stays until their person changes.
pub async fn delete_expired(db: &impl ConnectionTrait, now: Timestamp) -> Result<u64, StoreError> {
    let deleted = Entity::delete_many().filter(Column::ExpiresAt.lte(now.unix_ms())).exec(db).await;
    Ok(deleted.map_err(classify)?.rows_affected)
}
