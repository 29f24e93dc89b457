//! Monthly sums by who pays: what chargeback is written from. Rows stay when raw events go.

use std::collections::BTreeMap;

use maas_store::StoreError;
use sea_orm::{ActiveValue::Set, ConnectionTrait, entity::prelude::*};

use super::{in_statements, measures::add_on_conflict};
use crate::domain::{
    summary::Sums,
    totals::{LedgerKey, Measures},
};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_ledger")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub month: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub team_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub cost_centre: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub model: String,
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

const KEY: [Column; 7] =
    [Column::Month, Column::TeamId, Column::CostCentre, Column::UserId, Column::KeyId, Column::Model, Column::Currency];

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
    additions: &BTreeMap<LedgerKey, Measures>,
) -> Result<(), StoreError> {
    let rows: Vec<_> = additions.iter().map(|(key, measures)| to_db(key, measures)).collect();
    for chunk in in_statements(&rows) {
        let insert = Entity::insert_many(chunk.to_vec()).on_conflict(add_on_conflict("usage_ledger", KEY, SUMS));
        insert.exec_without_returning(transaction).await?;
    }
    Ok(())
}

/// Everything a key has ever used. A key has a row for each month, model and currency.
pub async fn of_key(db: &impl ConnectionTrait, key: Uuid) -> Result<Sums, StoreError> {
    let mut total = Sums::default();
    for row in Entity::find().filter(Column::KeyId.eq(key)).all(db).await? {
        let currency = row.currency.parse().map_err(|_| StoreError::corrupt("usage_ledger", "currency", key))?;
        total.add(&Sums {
            requests: row.requests.into(),
            input_tokens: row.input_tokens.into(),
            cached_input_tokens: row.cached_input_tokens.into(),
            output_tokens: row.output_tokens.into(),
            reasoning_tokens: row.reasoning_output_tokens.into(),
            costs: [(currency, row.cost_nanos.into())].into_iter().collect(),
        });
    }
    Ok(total)
}

fn to_db(key: &LedgerKey, measures: &Measures) -> ActiveModel {
    ActiveModel {
        month: Set(key.month),
        team_id: Set(key.team_id),
        cost_centre: Set(key.cost_centre.clone()),
        user_id: Set(key.user_id),
        key_id: Set(key.key_id),
        model: Set(key.model.clone()),
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
