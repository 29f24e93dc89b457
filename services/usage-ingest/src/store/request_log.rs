//! Events as the request log shows them, newest first.

use std::collections::BTreeSet;

use maas_store::{StoreError, ids::unsigned_from_db};
use maas_types::{Currency, EventId, KeyId, Money, Nanos, Operation, Outcome, TeamId, Timestamp, UsageQuality, UserId};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait,
    sea_query::{Expr, ExprTrait as _, Query},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    analytics::allowed,
    event_row::{Column, Entity, Model},
    in_statements,
};
use crate::domain::{event::day_of, filter::UsageFilter};

/// Where a page starts: after this event, in the order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub admitted_at: i64,
    pub id: EventId,
}

#[derive(Debug, Clone)]
pub struct RequestFilter {
    pub usage: UsageFilter,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    /// Any of them; empty: all.
    pub statuses: Vec<StatusClass>,
    /// Any of them; empty: all.
    pub request_ids: Vec<String>,
    pub stream: Option<bool>,
}

/// Statuses by their first digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusClass {
    /// The client left before one was sent.
    None,
    /// 1 to 5, for 1xx to 5xx.
    Hundreds(i32),
}

#[derive(Debug, Clone)]
pub struct LoggedRequest {
    pub id: EventId,
    pub admitted_at: Timestamp,
    pub request_id: String,
    pub key: Option<KeyId>,
    pub user: UserId,
    pub team: Option<TeamId>,
    pub cost_centre: String,
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
    condition = condition.add(of_request(filter));
    if let Some(position) = position {
        let day = day_of(Timestamp::from_unix_ms(position.admitted_at));
        let same_time =
            Condition::all().add(Column::AdmittedAt.eq(position.admitted_at)).add(Column::Id.lt(position.id.uuid()));
        let earlier = Column::AdmittedAt.lt(position.admitted_at);
        condition = condition.add(Column::Day.lte(day)).add(Condition::any().add(earlier).add(same_time));
    }
    let mut select =
        Entity::find().filter(condition).order_by_desc(Column::AdmittedAt).order_by_desc(Column::Id).limit(limit);
    QueryTrait::query(&mut select).cond_where(allowed(&filter.usage));
    select.all(db).await?.into_iter().map(from_db).collect()
}

fn of_request(filter: &RequestFilter) -> Condition {
    let mut condition = Condition::all();
    if !filter.statuses.is_empty() {
        let classes = filter.statuses.iter().map(|class| match class {
            StatusClass::None => Column::Status.eq(0),
            StatusClass::Hundreds(digit) => Column::Status.between(digit * 100, digit * 100 + 99),
        });
        condition = condition.add(classes.fold(Condition::any(), Condition::add));
    }
    if !filter.request_ids.is_empty() {
        condition = condition.add(Column::RequestId.is_in(filter.request_ids.iter().cloned()));
    }
    if let Some(stream) = filter.stream {
        condition = condition.add(Column::Stream.eq(stream));
    }
    condition
}

/// Those of the events that a correction names.
pub async fn corrected(
    db: &impl ConnectionTrait,
    events: impl IntoIterator<Item = EventId>,
) -> Result<BTreeSet<EventId>, StoreError> {
    let events: Vec<_> = events.into_iter().map(|event| event.uuid()).collect();
    let mut corrected = BTreeSet::new();
    for chunk in in_statements(&events) {
        let mut select = Query::select();
        select.distinct().column("event_id").from("usage_corrections");
        select.and_where(Expr::col("event_id").is_in(chunk.iter().copied()));
        for row in db.query_all(&select).await? {
            corrected.insert(EventId::from_uuid(row.try_get_by::<Uuid, _>("event_id")?));
        }
    }
    Ok(corrected)
}

/// Whether a key was ever used for one of the teams.
pub async fn was_used_for(db: &impl ConnectionTrait, key: KeyId, teams: &[TeamId]) -> Result<bool, StoreError> {
    if teams.is_empty() {
        return Ok(false);
    }
    let mut select = Query::select();
    select.expr(Expr::val(1)).from("usage_daily").and_where(Expr::col("key_id").eq(key.uuid()));
    select.and_where(Expr::col("team_id").is_in(teams.iter().map(|team| team.uuid()))).limit(1);
    Ok(db.query_one(&select).await?.is_some())
}

fn from_db(row: Model) -> Result<LoggedRequest, StoreError> {
    let id = EventId::from_uuid(row.id);
    let corrupt = |column| move || StoreError::corrupt("usage_events", column, id);
    let count = |column, value| unsigned_from_db("usage_events", column, id, value);
    Ok(LoggedRequest {
        id,
        admitted_at: Timestamp::from_unix_ms(row.admitted_at),
        request_id: row.request_id,
        key: row.key_id.map(KeyId::from_uuid),
        user: UserId::from_uuid(row.user_id),
        team: row.team_id.map(TeamId::from_uuid),
        cost_centre: row.cost_centre,
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
