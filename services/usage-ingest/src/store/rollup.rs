//! Quarter-hour sums.

use std::collections::BTreeMap;

use maas_store::StoreError;
use sea_orm::{ActiveValue::Set, ConnectionTrait, entity::prelude::*};

use super::{in_statements, measures::add_on_conflict};
use crate::domain::totals::{Measures, RollupKey};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_rollups")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bucket_start: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub team_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub organisation_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub cost_centre: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub model: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub upstream: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub operation: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub outcome: String,
    #[sea_orm(primary_key, auto_increment = false)]
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

const KEY: [Column; 11] = [
    Column::BucketStart,
    Column::KeyId,
    Column::UserId,
    Column::TeamId,
    Column::OrganisationId,
    Column::CostCentre,
    Column::Model,
    Column::Upstream,
    Column::Operation,
    Column::Outcome,
    Column::Currency,
];

const SUMS: [Column; 11] = [
    Column::Requests,
    Column::UnpricedRequests,
    Column::InputTokens,
    Column::CachedInputTokens,
    Column::CacheWriteInputTokens,
    Column::AudioInputTokens,
    Column::OutputTokens,
    Column::ReasoningOutputTokens,
    Column::AudioOutputTokens,
    Column::Images,
    Column::CostNanos,
];

/// Adds to the rows, in the order of their keys.
pub async fn add(
    transaction: &impl ConnectionTrait,
    additions: &BTreeMap<RollupKey, Measures>,
) -> Result<(), StoreError> {
    let rows: Vec<_> = additions.iter().map(|(key, measures)| to_db(key, measures)).collect();
    for chunk in in_statements(&rows) {
        let insert = Entity::insert_many(chunk.to_vec()).on_conflict(add_on_conflict("usage_rollups", KEY, SUMS));
        insert.exec_without_returning(transaction).await?;
    }
    Ok(())
}

fn to_db(key: &RollupKey, measures: &Measures) -> ActiveModel {
    ActiveModel {
        bucket_start: Set(key.bucket_start.unix_ms()),
        key_id: Set(key.key_id),
        user_id: Set(key.user_id),
        team_id: Set(key.team_id),
        organisation_id: Set(key.organisation_id),
        cost_centre: Set(key.cost_centre.clone()),
        model: Set(key.model.clone()),
        upstream: Set(key.upstream.clone()),
        operation: Set(key.operation.to_owned()),
        outcome: Set(key.outcome.to_owned()),
        currency: Set(key.currency.clone()),
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
