//! Who a provider's person is on the platform.

use maas_store::{StoreError, classify};
use sea_orm::{QuerySelect, entity::prelude::*, sea_query::LockType};

use super::user::{
    entity::{Column, Entity},
    from_db,
};
use crate::domain::user::User;

/// The person whom an issuer calls so, locked until the transaction ends.
pub async fn lock_by_identity(
    transaction: &impl ConnectionTrait,
    issuer: &str,
    subject: &str,
) -> Result<Option<User>, StoreError> {
    let row = by_identity(issuer, subject).lock(LockType::Update).one(transaction).await;
    row.map_err(classify)?.map(from_db).transpose()
}

pub async fn find_by_identity(
    db: &impl ConnectionTrait,
    issuer: &str,
    subject: &str,
) -> Result<Option<User>, StoreError> {
    by_identity(issuer, subject).one(db).await.map_err(classify)?.map(from_db).transpose()
}

/// Where somebody is awaited under a name, the subject is only a stand-in.
fn by_identity(issuer: &str, subject: &str) -> sea_orm::Select<Entity> {
    Entity::find()
        .filter(Column::Issuer.eq(issuer))
        .filter(Column::Subject.eq(subject))
        .filter(Column::InvitedName.is_null())
}

/// The person who is awaited from an issuer under this name, locked until the transaction ends.
pub async fn lock_invited(
    transaction: &impl ConnectionTrait,
    issuer: &str,
    name: &str,
) -> Result<Option<User>, StoreError> {
    let invited = Entity::find().filter(Column::Issuer.eq(issuer)).filter(Column::InvitedName.eq(name));
    invited.lock(LockType::Update).one(transaction).await.map_err(classify)?.map(from_db).transpose()
}

/// The first of these names that nobody has.
pub async fn free_name(db: &impl ConnectionTrait, candidates: Vec<String>) -> Result<Option<String>, StoreError> {
    let taken: Vec<String> = Entity::find()
        .select_only()
        .column(Column::UserName)
        .filter(Column::UserName.is_in(candidates.clone()))
        .into_tuple()
        .all(db)
        .await
        .map_err(classify)?;
    Ok(candidates.into_iter().find(|name| !taken.contains(name)))
}
