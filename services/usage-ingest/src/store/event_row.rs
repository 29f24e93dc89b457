//! The row of an event.

use maas_store::ids::unsigned_to_db;
use maas_types::Timestamp;
use sea_orm::{ActiveValue::Set, entity::prelude::*};
use serde::Serialize;

use crate::domain::received::ReceivedEvent;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_events")]
pub struct Model {
    /// Days since the epoch, computed from the id: uniqueness of (day, id) is uniqueness of the id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub source: String,
    pub sequence: i64,
    pub key_id: Option<Uuid>,
    pub user_id: Uuid,
    pub team_id: Option<Uuid>,
    pub organisation_id: Option<Uuid>,
    pub cost_centre: String,
    pub model_id: Uuid,
    pub model: String,
    pub catalogue_revision: i64,
    pub upstream_id: Option<Uuid>,
    pub upstream: String,
    pub provider: String,
    /// JSON, as are charges and labels.
    pub attempts: String,
    pub operation: String,
    pub stream: bool,
    pub admitted_at: i64,
    pub first_byte_us: Option<i64>,
    pub completed_us: Option<i64>,
    pub input_tokens: i64,
    pub cached_input_tokens: i64,
    pub cache_write_input_tokens: i64,
    pub audio_input_tokens: i64,
    pub output_tokens: i64,
    pub reasoning_output_tokens: i64,
    pub audio_output_tokens: i64,
    pub images: i64,
    pub quality: String,
    pub outcome: String,
    pub status: i32,
    pub error_code: String,
    pub price_id: Option<Uuid>,
    pub cost_nanos: i64,
    pub currency: String,
    pub discount_basis_points: i32,
    pub charges: String,
    pub request_id: String,
    pub upstream_request_id: String,
    pub trace_id: String,
    pub labels: String,
    pub end_user: String,
    pub content_hash: Vec<u8>,
    pub received_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

pub fn to_db(received: &ReceivedEvent, now: Timestamp) -> ActiveModel {
    let event = &received.event;
    let tokens = &event.tokens;
    ActiveModel {
        day: Set(event.day()),
        id: Set(event.id.uuid()),
        source: Set(received.source.to_string()),
        sequence: Set(unsigned_to_db(received.sequence)),
        key_id: Set(event.key.map(|id| id.uuid())),
        user_id: Set(event.user.uuid()),
        team_id: Set(event.team.map(|id| id.uuid())),
        organisation_id: Set(event.organisation.map(|id| id.uuid())),
        cost_centre: Set(event.cost_centre.clone()),
        model_id: Set(event.model_id.uuid()),
        model: Set(event.model.clone()),
        catalogue_revision: Set(unsigned_to_db(event.catalogue_revision)),
        upstream_id: Set(event.upstream_id.map(|id| id.uuid())),
        upstream: Set(event.upstream.clone()),
        provider: Set(event.provider.clone()),
        attempts: Set(json(&event.attempts)),
        operation: Set(event.operation.as_str().to_owned()),
        stream: Set(event.stream),
        admitted_at: Set(event.admitted_at().unix_ms()),
        first_byte_us: Set(event.first_byte_us.map(unsigned_to_db)),
        completed_us: Set(event.completed_us.map(unsigned_to_db)),
        input_tokens: Set(unsigned_to_db(tokens.input)),
        cached_input_tokens: Set(unsigned_to_db(tokens.cached_input)),
        cache_write_input_tokens: Set(unsigned_to_db(tokens.cache_write_input)),
        audio_input_tokens: Set(unsigned_to_db(tokens.audio_input)),
        output_tokens: Set(unsigned_to_db(tokens.output)),
        reasoning_output_tokens: Set(unsigned_to_db(tokens.reasoning_output)),
        audio_output_tokens: Set(unsigned_to_db(tokens.audio_output)),
        images: Set(unsigned_to_db(tokens.images)),
        quality: Set(event.quality.as_str().to_owned()),
        outcome: Set(event.outcome.as_str().to_owned()),
        status: Set(i32::from(event.status)),
        error_code: Set(event.error_code.clone()),
        price_id: Set(event.price.map(|id| id.uuid())),
        cost_nanos: Set(event.cost_nanos),
        currency: Set(event.currency.to_string()),
        discount_basis_points: Set(i32::from(event.discount_basis_points)),
        charges: Set(json(&event.charges)),
        request_id: Set(event.request_id.clone()),
        upstream_request_id: Set(event.upstream_request_id.clone()),
        trace_id: Set(event.trace_id.clone()),
        labels: Set(json(&event.labels)),
        end_user: Set(event.end_user.clone()),
        content_hash: Set(event.fingerprint.0.to_vec()),
        received_at: Set(now.unix_ms()),
    }
}

/// Structs and maps of texts and numbers; writing those to JSON cannot fail.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
