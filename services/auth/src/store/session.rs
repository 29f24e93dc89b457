//! The table `sessions`.

use maas_store::{StoreError, classify, ids::time_from_db};
use maas_types::{PageLimit, SessionId, Timestamp, UserId};
use sea_orm::{ActiveValue::Set, Condition, QueryOrder, QuerySelect, entity::prelude::*};

use crate::domain::session::{Session, SessionLifetimes};

mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sessions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        #[sea_orm(unique)]
        pub secret_digest: Vec<u8>,
        pub user_id: Uuid,
        pub created_at: i64,
        pub last_seen_at: i64,
        pub expires_at: i64,
        pub address: String,
        pub user_agent: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

pub async fn insert(db: &impl ConnectionTrait, session: &Session, digest: [u8; 32]) -> Result<(), StoreError> {
    let row = ActiveModel {
        id: Set(session.id.uuid()),
        secret_digest: Set(digest.to_vec()),
        user_id: Set(session.user_id.uuid()),
        created_at: Set(session.created_at.unix_ms()),
        last_seen_at: Set(session.last_seen_at.unix_ms()),
        expires_at: Set(session.expires_at.unix_ms()),
        address: Set(session.address.clone()),
        user_agent: Set(session.user_agent.clone()),
    };
    Entity::insert(row).exec_without_returning(db).await.map_err(classify)?;
    Ok(())
}

pub async fn find_by_digest(db: &impl ConnectionTrait, digest: [u8; 32]) -> Result<Option<Session>, StoreError> {
    let row = Entity::find().filter(Column::SecretDigest.eq(digest.to_vec())).one(db).await.map_err(classify)?;
    Ok(row.map(from_db))
}

/// The user's sessions that have not ended, newest first. One more row than `limit`, if there is one: then there is a
/// next page.
pub async fn list_of(
    db: &impl ConnectionTrait,
    user_id: UserId,
    (lifetimes, now): (SessionLifetimes, Timestamp),
    limit: PageLimit,
    after: Option<Uuid>,
) -> Result<Vec<Session>, StoreError> {
    let mut query = Entity::find()
        .filter(Column::UserId.eq(user_id.uuid()))
        .filter(Column::ExpiresAt.gt(now.unix_ms()))
        .filter(Column::LastSeenAt.gt(now.minus(lifetimes.idle).unix_ms()));
    if let Some(id) = after {
        query = query.filter(Column::Id.lt(id));
    }
    // The ids carry the time of creation.
    let rows = query.order_by_desc(Column::Id).limit(u64::from(limit.get()) + 1).all(db).await;
    Ok(rows.map_err(classify)?.into_iter().map(from_db).collect())
}

/// Never moves the time backwards, whoever writes at the same time.
pub async fn touch(db: &impl ConnectionTrait, id: SessionId, now: Timestamp) -> Result<(), StoreError> {
    let row = ActiveModel { last_seen_at: Set(now.unix_ms()), ..Default::default() };
    let update = Entity::update_many().set(row).filter(Column::Id.eq(id.uuid()));
    update.filter(Column::LastSeenAt.lt(now.unix_ms())).exec(db).await.map_err(classify)?;
    Ok(())
}

/// Whether the user had such a session.
pub async fn delete(db: &impl ConnectionTrait, user_id: UserId, id: SessionId) -> Result<bool, StoreError> {
    let delete = Entity::delete_many().filter(Column::Id.eq(id.uuid())).filter(Column::UserId.eq(user_id.uuid()));
    Ok(delete.exec(db).await.map_err(classify)?.rows_affected > 0)
}

pub async fn delete_by_digest(db: &impl ConnectionTrait, digest: [u8; 32]) -> Result<(), StoreError> {
    let delete = Entity::delete_many().filter(Column::SecretDigest.eq(digest.to_vec()));
    delete.exec(db).await.map_err(classify)?;
    Ok(())
}

/// All of the user's sessions but `keep`; how many there were.
pub async fn delete_others(
    db: &impl ConnectionTrait,
    user_id: UserId,
    keep: Option<SessionId>,
) -> Result<u64, StoreError> {
    let mut delete = Entity::delete_many().filter(Column::UserId.eq(user_id.uuid()));
    if let Some(keep) = keep {
        delete = delete.filter(Column::Id.ne(keep.uuid()));
    }
    Ok(delete.exec(db).await.map_err(classify)?.rows_affected)
}

/// Removes what has ended; how many there were.
pub async fn delete_ended(
    db: &impl ConnectionTrait,
    lifetimes: SessionLifetimes,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let idle_since = now.minus(lifetimes.idle);
    let ended =
        Condition::any().add(Column::ExpiresAt.lte(now.unix_ms())).add(Column::LastSeenAt.lte(idle_since.unix_ms()));
    Ok(Entity::delete_many().filter(ended).exec(db).await.map_err(classify)?.rows_affected)
}

fn from_db(row: Model) -> Session {
    Session {
        id: SessionId::from_uuid(row.id),
        user_id: UserId::from_uuid(row.user_id),
        created_at: time_from_db(row.created_at),
        last_seen_at: time_from_db(row.last_seen_at),
        expires_at: time_from_db(row.expires_at),
        address: row.address,
        user_agent: row.user_agent,
    }
}
