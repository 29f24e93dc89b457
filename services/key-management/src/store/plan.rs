//! Plans. There are few; deleted ones stay, to be told as deleted.

use std::collections::BTreeSet;

use maas_store::{
    StoreError, classify,
    ids::{parsed_from_db, time_from_db, unsigned_from_db, unsigned_to_db},
};
use maas_types::PlanId;
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use serde_json::Value;

use super::access_entity::plans::{ActiveModel, Column, Entity, Model as Row};
use crate::domain::{key::AllowedModels, plan::Plan};

const TABLE: &str = "plans";

/// `None` also for a deleted plan.
pub async fn find(connection: &impl ConnectionTrait, id: PlanId) -> Result<Option<Plan>, StoreError> {
    let row = Entity::find_by_id(id.uuid()).filter(Column::DeletedAt.is_null()).one(connection).await;
    row.map_err(classify)?.map(from_db).transpose()
}

/// Those in force, the highest level first.
pub async fn in_force(connection: &impl ConnectionTrait) -> Result<Vec<Plan>, StoreError> {
    let query = Entity::find().filter(Column::DeletedAt.is_null()).order_by_desc(Column::Level);
    query.all(connection).await.map_err(classify)?.into_iter().map(from_db).collect()
}

/// The deleted ones too, by id.
pub async fn all(connection: &impl ConnectionTrait) -> Result<Vec<Plan>, StoreError> {
    let query = Entity::find().order_by_asc(Column::Id);
    query.all(connection).await.map_err(classify)?.into_iter().map(from_db).collect()
}

/// [`StoreError::Duplicate`]: its name or its level is taken, or there is a default plan already.
pub async fn insert(connection: &impl ConnectionTrait, plan: &Plan) -> Result<(), StoreError> {
    Entity::insert(to_db(plan)).exec_without_returning(connection).await.map_err(classify)?;
    Ok(())
}

/// Writes `after` over the version before it. `false`: somebody else changed it meanwhile, nothing was written.
pub async fn replace(connection: &impl ConnectionTrait, before: &Plan, after: &Plan) -> Result<bool, StoreError> {
    let written = Entity::update_many()
        .set(to_db(after))
        .filter(Column::Id.eq(after.id.uuid()))
        .filter(Column::Version.eq(unsigned_to_db(before.version)))
        .exec(connection)
        .await
        .map_err(classify)?;
    Ok(written.rows_affected > 0)
}

fn to_db(plan: &Plan) -> ActiveModel {
    let texts = |texts: &BTreeSet<String>| Value::from_iter(texts.iter().cloned()).to_string();
    ActiveModel {
        id: Set(plan.id.uuid()),
        version: Set(unsigned_to_db(plan.version)),
        name: Set(plan.name.clone()),
        level: Set(i64::from(plan.level)),
        groups: Set(texts(&plan.groups)),
        models: Set(match &plan.models {
            AllowedModels::All => None,
            AllowedModels::Listed(models) => Some(texts(models)),
        }),
        is_default: Set(plan.is_default),
        created_at: Set(plan.created_at.unix_ms()),
        updated_at: Set(plan.updated_at.unix_ms()),
        deleted_at: Set(plan.deleted_at.map(|time| time.unix_ms())),
    }
}

fn from_db(row: Row) -> Result<Plan, StoreError> {
    let id = row.id;
    let models = match &row.models {
        None => Some(AllowedModels::All),
        // A list that cannot be read must never be taken for all models.
        Some(text) => texts(text).filter(|models| !models.is_empty()).map(AllowedModels::Listed),
    };
    Ok(Plan {
        id: PlanId::from_uuid(id),
        version: unsigned_from_db(TABLE, "version", id, row.version)?,
        name: row.name,
        level: parsed_from_db(TABLE, "level", id, u32::try_from(row.level).ok())?,
        groups: parsed_from_db(TABLE, "groups", id, texts(&row.groups))?,
        models: parsed_from_db(TABLE, "models", id, models)?,
        is_default: row.is_default,
        created_at: time_from_db(row.created_at),
        updated_at: time_from_db(row.updated_at),
        deleted_at: row.deleted_at.map(time_from_db),
    })
}

fn texts(json: &str) -> Option<BTreeSet<String>> {
    serde_json::from_str(json).ok()
}
