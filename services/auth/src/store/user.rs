//! The table `users`.

use maas_store::{
    StoreError, classify,
    ids::{parsed_from_db, time_from_db, unsigned_from_db, unsigned_to_db},
};
use maas_types::{Role, TeamId, Timestamp, UserId};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    QueryOrder, QuerySelect,
    entity::prelude::*,
    sea_query::LockType,
};

use crate::domain::{
    user::User,
    user_status::{UserKind, UserStatus},
};

const TABLE: &str = "users";

pub(super) mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "users")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub version: i64,
        #[sea_orm(unique)]
        pub user_name: String,
        pub display_name: Option<String>,
        pub kind: String,
        pub issuer: String,
        pub subject: String,
        pub provider_id: String,
        pub provider_name: Option<String>,
        pub invited_name: Option<String>,
        pub status: String,
        /// The effective one.
        pub role: String,
        pub granted_role: String,
        pub group_role: Option<String>,
        pub default_team_id: Option<Uuid>,
        pub service_team_id: Option<Uuid>,
        /// Names in lower case, which the list searches in.
        #[sea_orm(column_type = "Text")]
        pub search_text: String,
        #[sea_orm(column_type = "Text", nullable)]
        pub password_hash: Option<String>,
        pub must_change_password: bool,
        pub tokens_valid_from_ms: i64,
        pub created_at: i64,
        pub updated_at: i64,
        pub last_sign_in_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Somebody changed the row since it was read, or removed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionMoved;

/// A user with what is needed to check a password.
pub struct UserWithPassword {
    pub user: User,
    /// PHC text; none for people of other issuers.
    pub password_hash: Option<String>,
}

pub async fn insert(db: &impl ConnectionTrait, user: &User, password_hash: Option<String>) -> Result<(), StoreError> {
    let row = ActiveModel { id: Set(user.id.uuid()), password_hash: Set(password_hash), ..to_db(user) };
    Entity::insert(row).exec_without_returning(db).await.map_err(classify)?;
    Ok(())
}

/// Writes `after` over the row of the version before it. The password is changed only when one is given.
pub async fn update(
    db: &impl ConnectionTrait,
    after: &User,
    password_hash: Option<String>,
) -> Result<Result<(), VersionMoved>, StoreError> {
    let password_hash = password_hash.map_or(NotSet, |hash| Set(Some(hash)));
    // A sign-in may be noted at the same time.
    let row = ActiveModel { password_hash, last_sign_in_at: NotSet, ..to_db(after) };
    let updated = Entity::update_many()
        .set(row)
        .filter(Column::Id.eq(after.id.uuid()))
        .filter(Column::Version.eq(unsigned_to_db(after.version) - 1))
        .exec(db)
        .await
        .map_err(classify)?;
    Ok(if updated.rows_affected == 1 { Ok(()) } else { Err(VersionMoved) })
}

/// The same, and the password is gone.
pub async fn erase(db: &impl ConnectionTrait, after: &User) -> Result<Result<(), VersionMoved>, StoreError> {
    let forgotten = Entity::update_many().col_expr(Column::PasswordHash, Expr::value(Option::<String>::None));
    forgotten.filter(Column::Id.eq(after.id.uuid())).exec(db).await.map_err(classify)?;
    update(db, after, None).await
}

/// False, and nothing written, unless the user is active and `password_hash` is still theirs. The row stays locked
/// until the transaction ends: a change of the password or the status comes before this or after the commit.
///
/// Not a change that others hear of, so that the version stays.
pub async fn note_sign_in(
    transaction: &impl ConnectionTrait,
    id: UserId,
    password_hash: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let row = ActiveModel { last_sign_in_at: Set(Some(at.unix_ms())), ..Default::default() };
    let updated = Entity::update_many()
        .set(row)
        .filter(Column::Id.eq(id.uuid()))
        .filter(Column::Status.eq(UserStatus::Active.as_str()))
        .filter(Column::PasswordHash.eq(password_hash))
        .exec(transaction)
        .await
        .map_err(classify)?;
    Ok(updated.rows_affected == 1)
}

/// When somebody came through a provider; the row is locked. Not a change that others hear of.
pub async fn note_federated_sign_in(
    transaction: &impl ConnectionTrait,
    id: UserId,
    at: Timestamp,
) -> Result<(), StoreError> {
    let row = ActiveModel { last_sign_in_at: Set(Some(at.unix_ms())), ..Default::default() };
    Entity::update_many().set(row).filter(Column::Id.eq(id.uuid())).exec(transaction).await.map_err(classify)?;
    Ok(())
}

/// A user who was not deleted.
pub async fn find(db: &impl ConnectionTrait, id: UserId) -> Result<Option<User>, StoreError> {
    Entity::find_by_id(id.uuid()).filter(not_deleted()).one(db).await.map_err(classify)?.map(from_db).transpose()
}

pub async fn find_with_password(db: &impl ConnectionTrait, id: UserId) -> Result<Option<UserWithPassword>, StoreError> {
    Entity::find_by_id(id.uuid()).one(db).await.map_err(classify)?.map(with_password).transpose()
}

pub async fn find_by_name_with_password(
    db: &impl ConnectionTrait,
    user_name: &str,
) -> Result<Option<UserWithPassword>, StoreError> {
    let row = Entity::find().filter(Column::UserName.eq(user_name)).one(db).await.map_err(classify)?;
    row.map(with_password).transpose()
}

/// A user who was not deleted, locked until the transaction ends.
pub async fn lock(transaction: &impl ConnectionTrait, id: UserId) -> Result<Option<User>, StoreError> {
    let row = Entity::find_by_id(id.uuid()).filter(not_deleted()).lock(LockType::Update).one(transaction).await;
    row.map_err(classify)?.map(from_db).transpose()
}

/// A user who was not deleted.
pub async fn find_by_name(db: &impl ConnectionTrait, user_name: &str) -> Result<Option<User>, StoreError> {
    let row = Entity::find().filter(Column::UserName.eq(user_name)).filter(not_deleted()).one(db).await;
    row.map_err(classify)?.map(from_db).transpose()
}

/// Those of `ids` who were not deleted, in the order of ids, locked until the transaction ends. Everybody who locks
/// several users does it in this order.
pub async fn lock_all(transaction: &impl ConnectionTrait, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
    of_ids(ids)
        .filter(not_deleted())
        .lock(LockType::Update)
        .all(transaction)
        .await
        .map_err(classify)?
        .into_iter()
        .map(from_db)
        .collect()
}

/// Those of `ids` that there are, deleted ones too, in the order of ids.
pub async fn find_all(db: &impl ConnectionTrait, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
    of_ids(ids).all(db).await.map_err(classify)?.into_iter().map(from_db).collect()
}

fn of_ids(ids: &[UserId]) -> sea_orm::Select<Entity> {
    Entity::find().filter(Column::Id.is_in(ids.iter().map(|id| id.uuid()))).order_by_asc(Column::Id)
}

pub(super) fn not_deleted() -> sea_orm::sea_query::SimpleExpr {
    Column::Status.ne(UserStatus::Deleted.as_str())
}

pub async fn exists_any(db: &impl ConnectionTrait) -> Result<bool, StoreError> {
    Ok(Entity::find().limit(1).one(db).await.map_err(classify)?.is_some())
}

/// Active admins, oldest first.
pub async fn oldest_active_admin(db: &impl ConnectionTrait) -> Result<Option<User>, StoreError> {
    let row = active_admins().order_by_asc(Column::CreatedAt).order_by_asc(Column::Id).one(db).await;
    row.map_err(classify)?.map(from_db).transpose()
}

/// How many active admins there are besides `id`. Locks every active admin until the transaction ends, in the order of
/// their ids, so that of two demotions at once the second one sees the first.
pub async fn lock_other_active_admins(transaction: &impl ConnectionTrait, id: UserId) -> Result<u64, StoreError> {
    let locked = active_admins().order_by_asc(Column::Id).lock(LockType::Update).all(transaction).await;
    let others = locked.map_err(classify)?.into_iter().filter(|row| row.id != id.uuid()).count();
    Ok(u64::try_from(others).unwrap_or(u64::MAX))
}

fn active_admins() -> sea_orm::Select<Entity> {
    Entity::find().filter(Column::Role.eq(Role::Admin.as_str())).filter(Column::Status.eq(UserStatus::Active.as_str()))
}

/// Every user in the order of ids, a batch at a time, for comparing with the state bucket and for the export.
pub async fn batch_after(db: &impl ConnectionTrait, after: Option<UserId>, size: u64) -> Result<Vec<User>, StoreError> {
    let mut query = Entity::find().order_by_asc(Column::Id).limit(size);
    if let Some(id) = after {
        query = query.filter(Column::Id.gt(id.uuid()));
    }
    query.all(db).await.map_err(classify)?.into_iter().map(from_db).collect()
}

/// Everything but id and password.
fn to_db(user: &User) -> ActiveModel {
    ActiveModel {
        id: NotSet,
        version: Set(unsigned_to_db(user.version)),
        user_name: Set(user.user_name.clone()),
        display_name: Set(user.display_name.clone()),
        kind: Set(user.kind.as_str().to_owned()),
        issuer: Set(user.issuer.clone()),
        subject: Set(user.subject.clone()),
        provider_id: Set(user.provider_id.clone()),
        provider_name: Set(user.provider_name.clone()),
        invited_name: Set(user.invited_name.clone()),
        status: Set(user.status.as_str().to_owned()),
        role: Set(user.role.as_str().to_owned()),
        granted_role: Set(user.granted_role.as_str().to_owned()),
        group_role: Set(user.group_role.map(|role| role.as_str().to_owned())),
        default_team_id: Set(user.default_team_id.map(TeamId::uuid)),
        service_team_id: Set(user.service_team_id.map(TeamId::uuid)),
        search_text: Set(search_text(user)),
        password_hash: NotSet,
        must_change_password: Set(user.must_change_password),
        tokens_valid_from_ms: Set(user.tokens_valid_from.unix_ms()),
        created_at: Set(user.created_at.unix_ms()),
        updated_at: Set(user.updated_at.unix_ms()),
        last_sign_in_at: Set(user.last_sign_in_at.map(Timestamp::unix_ms)),
    }
}

fn search_text(user: &User) -> String {
    let names = [Some(user.user_name.as_str()), user.display_name.as_deref(), user.provider_name.as_deref()];
    names.into_iter().flatten().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn with_password(mut row: Model) -> Result<UserWithPassword, StoreError> {
    let password_hash = row.password_hash.take();
    Ok(UserWithPassword { user: from_db(row)?, password_hash })
}

pub(super) fn from_db(row: Model) -> Result<User, StoreError> {
    let role = |column, text: &str| parsed_from_db(TABLE, column, row.id, Role::parse(text));
    Ok(User {
        id: UserId::from_uuid(row.id),
        version: unsigned_from_db(TABLE, "version", row.id, row.version)?,
        kind: parsed_from_db(TABLE, "kind", row.id, UserKind::parse(&row.kind))?,
        status: parsed_from_db(TABLE, "status", row.id, UserStatus::parse(&row.status))?,
        role: role("role", &row.role)?,
        granted_role: role("granted_role", &row.granted_role)?,
        group_role: row.group_role.as_deref().map(|text| role("group_role", text)).transpose()?,
        provider_id: row.provider_id,
        provider_name: row.provider_name,
        invited_name: row.invited_name,
        default_team_id: row.default_team_id.map(TeamId::from_uuid),
        service_team_id: row.service_team_id.map(TeamId::from_uuid),
        user_name: row.user_name,
        display_name: row.display_name,
        issuer: row.issuer,
        subject: row.subject,
        must_change_password: row.must_change_password,
        tokens_valid_from: time_from_db(row.tokens_valid_from_ms),
        created_at: time_from_db(row.created_at),
        updated_at: time_from_db(row.updated_at),
        last_sign_in_at: row.last_sign_in_at.map(time_from_db),
    })
}
