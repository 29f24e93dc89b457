//! The tables `audit` and `audit_days`: rows are added and read, never changed; whole days are dropped at their age.

pub mod chain;
mod entity;

use maas_store::{
    StoreError, classify,
    ids::{parsed_from_db, time_from_db},
};
use maas_types::{AuditId, PageLimit};
use sea_orm::{Condition, QueryOrder, QuerySelect, entity::prelude::*};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::entity::{Column, Entity, Model};
use super::contains_text;
use crate::domain::audit::{ActorKind, AuditEntry, AuditFilter, AuditOutcome};

const TABLE: &str = "audit";

/// Where a page of the list ends: newest first.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct AuditPosition {
    pub time_ms: i64,
    pub id: Uuid,
}

impl AuditPosition {
    pub fn of(entry: &AuditEntry) -> Self {
        Self { time_ms: entry.time.unix_ms(), id: entry.id.uuid() }
    }
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
        // The first condition says nothing new; it is the one that bounds the index, so that late pages cost no more.
        query = query.filter(Column::TimeMs.lte(position.time_ms));
        query = query.filter(older.add(same_time.add(Column::Id.lt(position.id))));
    }
    let query = query.order_by_desc(Column::TimeMs).order_by_desc(Column::Id).limit(u64::from(limit.get()) + 1);
    query.all(db).await.map_err(classify)?.into_iter().map(from_db).collect()
}

fn condition(filter: &AuditFilter) -> Condition {
    let texts = [
        (Column::Service, filter.service.as_deref()),
        (Column::ActorName, filter.actor_name.as_deref()),
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

/// The row of an entry that has no place in the chain yet.
fn to_row(entry: &AuditEntry) -> Model {
    let json = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
    Model {
        id: entry.id.uuid(),
        time_ms: entry.time.unix_ms(),
        service: entry.service.clone(),
        actor_kind: entry.actor_kind.as_str().to_owned(),
        actor_id: entry.actor_id,
        actor_name: entry.actor_name.clone(),
        action: entry.action.clone(),
        resource_kind: entry.resource_kind.clone(),
        resource_id: entry.resource_id.clone(),
        outcome: entry.outcome.as_str().to_owned(),
        before_json: json(&entry.before),
        after_json: json(&entry.after),
        request_id: entry.request_id.clone(),
        address: entry.address.clone(),
        day: 0,
        sequence: 0,
        digest: Vec::new(),
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
