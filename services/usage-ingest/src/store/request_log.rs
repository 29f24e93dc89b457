//! Events as the request log shows them, newest first.

use maas_store::{StoreError, ids::unsigned_from_db};
use maas_types::{Currency, EventId, KeyId, Money, Nanos, Operation, Outcome, Timestamp, UsageQuality};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait,
};
use serde::{Deserialize, Serialize};

use super::{
    event_row::{Column, Entity, Model},
    summary::UsageFilter,
};
use crate::domain::event::day_of;

/// Where a page starts: after this event, in the order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub admitted_at: i64,
    pub id: EventId,
}

#[derive(Debug, Clone, Default)]
pub struct RequestFilter {
    pub usage: UsageFilter,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub outcome: Option<Outcome>,
}

#[derive(Debug, Clone)]
pub struct LoggedRequest {
    pub id: EventId,
    pub admitted_at: Timestamp,
    pub key: Option<KeyId>,
    pub model: String,
    pub upstream: String,
    pub operation: Operation,
    pub stream: bool,
    pub outcome: Outcome,
    pub status: u16,
    pub quality: UsageQuality,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cost: Money,
    pub first_byte_us: Option<u64>,
    pub completed_us: Option<u64>,
}

/// Up to `limit` events after `position`.
pub async fn page(
    db: &impl ConnectionTrait,
    filter: &RequestFilter,
    position: Option<Position>,
    limit: u64,
) -> Result<Vec<LoggedRequest>, StoreError> {
    let mut condition = Condition::all();
    if let Some(from) = filter.from {
        condition = condition.add(Column::AdmittedAt.gte(from.unix_ms())).add(Column::Day.gte(day_of(from)));
    }
    if let Some(to) = filter.to {
        condition = condition.add(Column::AdmittedAt.lt(to.unix_ms())).add(Column::Day.lte(day_of(to)));
    }
    if let Some(outcome) = filter.outcome {
        condition = condition.add(Column::Outcome.eq(outcome.as_str()));
    }
    if let Some(position) = position {
        let day = day_of(Timestamp::from_unix_ms(position.admitted_at));
        let same_time =
            Condition::all().add(Column::AdmittedAt.eq(position.admitted_at)).add(Column::Id.lt(position.id.uuid()));
        let earlier = Column::AdmittedAt.lt(position.admitted_at);
        condition = condition.add(Column::Day.lte(day)).add(Condition::any().add(earlier).add(same_time));
    }
    let mut select =
        Entity::find().filter(condition).order_by_desc(Column::AdmittedAt).order_by_desc(Column::Id).limit(limit);
    filter.usage.apply(QueryTrait::query(&mut select));
    select.all(db).await?.into_iter().map(from_db).collect()
}

fn from_db(row: Model) -> Result<LoggedRequest, StoreError> {
    let id = EventId::from_uuid(row.id);
    let corrupt = |column| move || StoreError::corrupt("usage_events", column, id);
    let count = |column, value| unsigned_from_db("usage_events", column, id, value);
    Ok(LoggedRequest {
        id,
        admitted_at: Timestamp::from_unix_ms(row.admitted_at),
        key: row.key_id.map(KeyId::from_uuid),
        operation: Operation::parse(&row.operation).ok_or_else(corrupt("operation"))?,
        outcome: Outcome::parse(&row.outcome).ok_or_else(corrupt("outcome"))?,
        quality: UsageQuality::parse(&row.quality).ok_or_else(corrupt("quality"))?,
        status: u16::try_from(row.status).map_err(|_| corrupt("status")())?,
        input_tokens: count("input_tokens", row.input_tokens)?,
        output_tokens: count("output_tokens", row.output_tokens)?,
        cost: Money {
            amount: Nanos(row.cost_nanos),
            currency: row.currency.parse::<Currency>().map_err(|_| corrupt("currency")())?,
        },
        first_byte_us: row.first_byte_us.map(|micros| count("first_byte_us", micros)).transpose()?,
        completed_us: row.completed_us.map(|micros| count("completed_us", micros)).transpose()?,
        model: row.model,
        upstream: row.upstream,
        stream: row.stream,
    })
}
