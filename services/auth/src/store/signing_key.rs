//! The table `signing_keys`. Private halves are in it only sealed.

use maas_store::{StoreError, classify, ids::time_from_db};
use maas_tokens::PublicKey;
use maas_types::Timestamp;
use sea_orm::{ActiveValue::Set, DatabaseBackend, QueryOrder as _, Statement, entity::prelude::*};

use crate::domain::key_ring::SigningKeyRow;

mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "signing_keys")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub key_id: String,
        pub x: String,
        pub sealed: Option<Vec<u8>>,
        pub created_at: i64,
        pub used_from: i64,
        pub kept_until: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Waits until this transaction is the only one that changes signing keys; released with the transaction. On SQLite
/// there is one process and one writer connection, which is the same.
pub async fn hold(transaction: &impl ConnectionTrait) -> Result<(), StoreError> {
    if transaction.get_database_backend() != DatabaseBackend::Postgres {
        return Ok(());
    }
    let sql = "SELECT pg_advisory_xact_lock(hashtext('maas-auth signing keys'))";
    transaction.execute_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await.map_err(classify)?;
    Ok(())
}

/// Every key, in the order of its use. Configured ones stay listed for ever: one that was retired must not come back as
/// a new one.
pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<SigningKeyRow>, StoreError> {
    let rows = Entity::find().order_by_asc(Column::UsedFrom).order_by_asc(Column::KeyId).all(db).await;
    Ok(rows.map_err(classify)?.into_iter().map(from_db).collect())
}

pub async fn insert(db: &impl ConnectionTrait, row: &SigningKeyRow) -> Result<(), StoreError> {
    Entity::insert(to_db(row)).exec_without_returning(db).await.map_err(classify)?;
    Ok(())
}

pub async fn set_kept_until(db: &impl ConnectionTrait, key_id: &str, until: Timestamp) -> Result<(), StoreError> {
    let row = ActiveModel { kept_until: Set(Some(until.unix_ms())), ..Default::default() };
    Entity::update_many().set(row).filter(Column::KeyId.eq(key_id)).exec(db).await.map_err(classify)?;
    Ok(())
}

/// Generated keys whose last token has expired.
pub async fn delete_over(db: &impl ConnectionTrait, now: Timestamp) -> Result<u64, StoreError> {
    let over = Entity::delete_many().filter(Column::Sealed.is_not_null());
    let deleted = over.filter(Column::KeptUntil.lte(now.unix_ms())).exec(db).await.map_err(classify)?;
    Ok(deleted.rows_affected)
}

fn to_db(row: &SigningKeyRow) -> ActiveModel {
    ActiveModel {
        key_id: Set(row.public.key_id.clone()),
        x: Set(row.public.x.clone()),
        sealed: Set(row.sealed.clone()),
        created_at: Set(row.created_at.unix_ms()),
        used_from: Set(row.used_from.unix_ms()),
        kept_until: Set(row.kept_until.map(Timestamp::unix_ms)),
    }
}

fn from_db(row: Model) -> SigningKeyRow {
    SigningKeyRow {
        public: PublicKey { key_id: row.key_id, x: row.x },
        sealed: row.sealed,
        created_at: time_from_db(row.created_at),
        used_from: time_from_db(row.used_from),
        kept_until: row.kept_until.map(time_from_db),
    }
}
