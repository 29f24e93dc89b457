//! The table `audit`: rows are added and read, never changed.

use maas_store::{
    StoreError, classify,
    ids::{parsed_from_db, time_from_db},
};
use maas_types::{AuditId, PageLimit};
use sea_orm::{ActiveValue::Set, Condition, QueryOrder, QuerySelect, entity::prelude::*};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::contains_text;
use crate::domain::audit::{ActorKind, AuditEntry, AuditFilter, AuditOutcome};

const TABLE: &str = "audit";

mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub time_ms: i64,
        pub service: String,
        pub actor_kind: String,
        pub actor_id: Option<Uuid>,
        pub actor_name: String,
        pub action: String,
        pub resource_kind: String,
        pub resource_id: String,
        pub outcome: String,
        #[sea_orm(column_type = "Text")]
        pub before_json: String,
        #[sea_orm(column_type = "Text")]
        pub after_json: String,
        pub request_id: String,
        pub address: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Where a page of the list ends: newest first.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct AuditPosition {
    pub time_ms: i64,
    pub id: Uuid,
}

/// Adds the entries whose ids are not there yet.
pub async fn insert_new(db: &impl ConnectionTrait, entries: &[AuditEntry]) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    let insert = Entity::insert_many(entries.iter().map(to_db)).on_conflict_do_nothing_on([Column::Id]);
    insert.exec_without_returning(db).await.map_err(classify)?;
    Ok(())
}

/// One more row than `limit`, if there is one: then there is a next page.
pub async fn list(
    db: &impl ConnectionTrait,
    filter: &AuditFilter,
    limit: PageLimit,
    after: Option<AuditPosition>,
) -> Result<Vec<AuditEntry>, StoreError> {
    let mut query = Entity::find().filter(condition(filter));
    if let Some(position) = after {
        let same_time = Condition::all().add(Column::TimeMs.eq(position.time_ms));
        let older = Condition::any().add(Column::TimeMs.lt(position.time_ms));
        query = query.filter(older.add(same_time.add(Column::Id.lt(position.id))));
    }
    let query = query.order_by_desc(Column::TimeMs).order_by_desc(Column::Id).limit(u64::from(limit.get()) + 1);
    query.all(db).await.map_err(classify)?.into_iter().map(from_db).collect()
}

fn condition(filter: &AuditFilter) -> Condition {
    let texts = [
        (Column::Action, filter.action.as_deref()),
        (Column::ResourceKind, filter.resource_kind.as_deref()),
        (Column::ResourceId, filter.resource_id.as_deref()),
        (Column::Outcome, filter.outcome.map(AuditOutcome::as_str)),
    ];
    let mut all = Condition::all();
    for (column, wanted) in texts {
        all = all.add_option(wanted.map(|wanted| column.eq(wanted)));
    }
    all.add_option(filter.actor_id.map(|id| Column::ActorId.eq(id)))
        .add_option(filter.from.map(|from| Column::TimeMs.gte(from.unix_ms())))
        .add_option(filter.to.map(|to| Column::TimeMs.lt(to.unix_ms())))
        .add_option(filter.text.as_deref().map(|text| {
            let searched = [Column::ActorName, Column::Action, Column::ResourceKind, Column::ResourceId];
            searched.into_iter().fold(Condition::any(), |any, column| any.add(contains_text(column, text)))
        }))
}

fn to_db(entry: &AuditEntry) -> ActiveModel {
    let json = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
    ActiveModel {
        id: Set(entry.id.uuid()),
        time_ms: Set(entry.time.unix_ms()),
        service: Set(entry.service.clone()),
        actor_kind: Set(entry.actor_kind.as_str().to_owned()),
        actor_id: Set(entry.actor_id),
        actor_name: Set(entry.actor_name.clone()),
        action: Set(entry.action.clone()),
        resource_kind: Set(entry.resource_kind.clone()),
        resource_id: Set(entry.resource_id.clone()),
        outcome: Set(entry.outcome.as_str().to_owned()),
        before_json: Set(json(&entry.before)),
        after_json: Set(json(&entry.after)),
        request_id: Set(entry.request_id.clone()),
        address: Set(entry.address.clone()),
    }
}

fn from_db(row: Model) -> Result<AuditEntry, StoreError> {
    let json = |column, text: &str| match text {
        "" => Ok(None),
        text => parsed_from_db(TABLE, column, row.id, serde_json::from_str(text).ok()).map(Some),
    };
    Ok(AuditEntry {
        id: AuditId::from_uuid(row.id),
        time: time_from_db(row.time_ms),
        actor_kind: parsed_from_db(TABLE, "actor_kind", row.id, ActorKind::parse(&row.actor_kind))?,
        actor_id: row.actor_id,
        outcome: parsed_from_db(TABLE, "outcome", row.id, AuditOutcome::parse(&row.outcome))?,
        before: json("before_json", &row.before_json)?,
        after: json("after_json", &row.after_json)?,
        service: row.service,
        actor_name: row.actor_name,
        action: row.action,
        resource_kind: row.resource_kind,
        resource_id: row.resource_id,
        request_id: row.request_id,
        address: row.address,
    })
}
