//! Signed corrections: stored once, never changed, never dropped.

use std::collections::{BTreeMap, BTreeSet};

use maas_store::StoreError;
use maas_types::Timestamp;
use sea_orm::{ActiveValue::Set, ConnectionTrait, QuerySelect as _, entity::prelude::*};

use super::in_statements;
use crate::domain::correction::{Correction, CorrectionKind};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_corrections")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Days since the epoch.
    pub day: i32,
    /// Milliseconds; the time that it counts for.
    pub admitted_at: i64,
    pub event_id: Option<Uuid>,
    pub kind: String,
    pub reason: String,
    /// None: the platform itself.
    pub actor: Option<Uuid>,
    pub actor_name: String,
    pub created_at: i64,
    /// What is booked with a correction by better quality; empty for the others.
    pub quality: String,
    /// Of the better content, or of the correction.
    pub content_hash: Vec<u8>,
    pub key_id: Uuid,
    pub user_id: Uuid,
    pub team_id: Uuid,
    pub organisation_id: Uuid,
    pub cost_centre: String,
    pub model: String,
    pub upstream: String,
    pub operation: String,
    pub outcome: String,
    pub currency: String,
    pub requests: i64,
    pub unpriced_requests: i64,
    pub input_tokens: i64,
    pub cached_input_tokens: i64,
    pub cache_write_input_tokens: i64,
    pub audio_input_tokens: i64,
    pub output_tokens: i64,
    pub reasoning_output_tokens: i64,
    pub audio_output_tokens: i64,
    pub images: i64,
    pub cost_nanos: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Inserts in the order of the ids and returns the ids that were not there before. Only those may be summed.
pub async fn insert_new(
    transaction: &impl ConnectionTrait,
    corrections: &BTreeMap<Uuid, &Correction>,
    now: Timestamp,
) -> Result<BTreeSet<Uuid>, StoreError> {
    let ids: Vec<_> = corrections.keys().copied().collect();
    let there = digests(transaction, &ids).await?;
    let new: BTreeSet<_> = ids.into_iter().filter(|id| !there.contains_key(id)).collect();
    let rows = corrections.iter().filter(|(id, _)| new.contains(id));
    let rows: Vec<_> = rows.map(|(_, correction)| to_db(correction, now)).collect();
    for chunk in in_statements(&rows) {
        Entity::insert_many(chunk.to_vec()).exec_without_returning(transaction).await?;
    }
    Ok(new)
}

/// Which of the ids are booked, and the digest of what is booked under them.
pub async fn digests(db: &impl ConnectionTrait, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Vec<u8>>, StoreError> {
    let mut digests = BTreeMap::new();
    for chunk in in_statements(ids) {
        let rows: Vec<(Uuid, Vec<u8>)> = Entity::find()
            .select_only()
            .columns([Column::Id, Column::ContentHash])
            .filter(Column::Id.is_in(chunk.iter().copied()))
            .into_tuple()
            .all(db)
            .await?;
        digests.extend(rows);
    }
    Ok(digests)
}

/// The corrections by better quality of the given events.
pub async fn improvements(db: &impl ConnectionTrait, events: &BTreeSet<Uuid>) -> Result<Vec<Model>, StoreError> {
    let events: Vec<_> = events.iter().copied().collect();
    let mut rows = Vec::new();
    for chunk in in_statements(&events) {
        let of_events = Entity::find()
            .filter(Column::EventId.is_in(chunk.iter().copied()))
            .filter(Column::Kind.eq(CorrectionKind::Quality.as_str()));
        rows.extend(of_events.all(db).await?);
    }
    Ok(rows)
}

fn to_db(correction: &Correction, now: Timestamp) -> ActiveModel {
    let (of, measures) = (&correction.dimensions, &correction.measures);
    ActiveModel {
        id: Set(correction.id),
        day: Set(correction.day()),
        admitted_at: Set(correction.admitted_at.unix_ms()),
        event_id: Set(correction.event.map(|event| event.uuid())),
        kind: Set(correction.kind.as_str().to_owned()),
        reason: Set(correction.reason.clone()),
        actor: Set(correction.actor.map(|actor| actor.uuid())),
        actor_name: Set(correction.actor_name.clone()),
        created_at: Set(now.unix_ms()),
        quality: Set(correction.better.map(|better| better.quality.as_str().to_owned()).unwrap_or_default()),
        content_hash: Set(correction.digest().0.to_vec()),
        key_id: Set(of.key_id),
        user_id: Set(of.user_id),
        team_id: Set(of.team_id),
        organisation_id: Set(of.organisation_id),
        cost_centre: Set(of.cost_centre.clone()),
        model: Set(of.model.clone()),
        upstream: Set(of.upstream.clone()),
        operation: Set(of.operation.as_str().to_owned()),
        outcome: Set(of.outcome.as_str().to_owned()),
        currency: Set(of.currency.to_string()),
        requests: Set(measures.requests),
        unpriced_requests: Set(measures.unpriced_requests),
        input_tokens: Set(measures.input),
        cached_input_tokens: Set(measures.cached_input),
        cache_write_input_tokens: Set(measures.cache_write_input),
        audio_input_tokens: Set(measures.audio_input),
        output_tokens: Set(measures.output),
        reasoning_output_tokens: Set(measures.reasoning_output),
        audio_output_tokens: Set(measures.audio_output),
        images: Set(measures.images),
        cost_nanos: Set(measures.cost_nanos),
    }
}
