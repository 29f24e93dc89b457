//! Figures and groups, as all answers show them.

use maas_types::{Currency, KeyId, Money, Nanos, OrganisationId, TeamId, Timestamp, UserId};
use maas_web::Problem;
use serde::Serialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Ref, RefOr,
        schema::{AnyOfBuilder, ObjectBuilder, Schema, SchemaType, Type},
    },
};
use uuid::Uuid;

use crate::domain::{
    analytics::{
        figures::{Count, Figures, Latency},
        metric::MetricValue,
    },
    dimensions::Dimension,
    filter::Value,
    period::Period,
};

/// The period that is answered: as asked for, or out to whole quarter hours (UTC) at an edge of which single requests
/// are no longer held.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsagePeriod {
    /// Inclusive.
    pub from: Timestamp,
    /// Exclusive.
    pub to: Timestamp,
}

/// Corrections are in the sums, so any of them may be below zero.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageTotals {
    #[schema(value_type = i64, example = 1280)]
    pub requests: i128,
    /// Part of `requests`: those that ended neither in success nor by the client's leaving.
    #[schema(value_type = i64, example = 3)]
    pub errors: i128,
    /// Part of `requests`: those to models without a price.
    #[schema(value_type = i64, example = 0)]
    pub unpriced_requests: i128,
    #[schema(value_type = i64, example = 512000)]
    pub input_tokens: i128,
    #[schema(value_type = i64, example = 96000)]
    pub output_tokens: i128,
    /// Part of `input_tokens`.
    #[schema(value_type = i64, example = 128000)]
    pub cached_input_tokens: i128,
    /// Part of `input_tokens`.
    #[schema(value_type = i64, example = 0)]
    pub cache_write_input_tokens: i128,
    /// Part of `input_tokens`.
    #[schema(value_type = i64, example = 0)]
    pub audio_input_tokens: i128,
    /// Part of `output_tokens`.
    #[schema(value_type = i64, example = 24000)]
    pub reasoning_tokens: i128,
    /// Part of `output_tokens`.
    #[schema(value_type = i64, example = 0)]
    pub audio_output_tokens: i128,
    #[schema(value_type = i64, example = 0)]
    pub images: i128,
    pub cost: Money,
    /// What was charged in other currencies; never added to `cost`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_costs: Vec<Money>,
}

/// Milliseconds that half, 95 % and 99 % of the requests did not exceed; null: no request got that far.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsagePercentiles {
    #[schema(example = 640.0)]
    pub p50: Option<f64>,
    #[schema(example = 2310.0)]
    pub p95: Option<f64>,
    #[schema(example = 4870.0)]
    pub p99: Option<f64>,
}

/// What usage is grouped by: a field for each dimension that was asked for, the others are left out. An id is null, and
/// a name empty, for requests that have none.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct UsageGroup {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "llama-3.1-8b-instruct")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "gpu-a")]
    pub upstream: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<TeamId>)]
    pub team_id: Option<Option<TeamId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<OrganisationId>)]
    pub organisation_id: Option<Option<OrganisationId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "CC-4711")]
    pub cost_centre: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<UserId>)]
    pub user_id: Option<Option<UserId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<KeyId>)]
    pub key_id: Option<Option<KeyId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "chat")]
    pub operation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "success")]
    pub outcome: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "USD")]
    pub currency: Option<String>,
}

/// A figure in the unit of its metric: a count, a decimal text of money, or milliseconds (null: nothing to measure).
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum UsageValue {
    Count(i128),
    Cost(Nanos),
    Milliseconds(Option<f64>),
}

/// Written by hand: a whole number is a count and may be milliseconds, so it is any of them and not one of them.
impl PartialSchema for UsageValue {
    fn schema() -> RefOr<Schema> {
        let typed = |kind| ObjectBuilder::new().schema_type(kind).build();
        let milliseconds = SchemaType::from_iter([Type::Number, Type::Null]);
        let any = AnyOfBuilder::new()
            .description(Some(
                "A count, a decimal text of money, or milliseconds (null: there was nothing to measure).",
            ))
            .item(typed(SchemaType::new(Type::Integer)))
            .item(Ref::from_schema_name("Nanos"))
            .item(typed(milliseconds))
            .examples([serde_json::json!(51200)]);
        RefOr::T(Schema::AnyOf(any.build()))
    }
}

impl ToSchema for UsageValue {}

pub fn period_to_api(period: Period) -> UsagePeriod {
    UsagePeriod { from: period.from, to: period.to }
}

pub fn totals_to_api(figures: &Figures, currency: Currency) -> Result<UsageTotals, Problem> {
    let others = figures.costs().filter(|(other, _)| *other != currency);
    Ok(UsageTotals {
        requests: figures.count(Count::Requests),
        errors: figures.count(Count::Errors),
        unpriced_requests: figures.count(Count::UnpricedRequests),
        input_tokens: figures.count(Count::InputTokens),
        output_tokens: figures.count(Count::OutputTokens),
        cached_input_tokens: figures.count(Count::CachedInputTokens),
        cache_write_input_tokens: figures.count(Count::CacheWriteInputTokens),
        audio_input_tokens: figures.count(Count::AudioInputTokens),
        reasoning_tokens: figures.count(Count::ReasoningTokens),
        audio_output_tokens: figures.count(Count::AudioOutputTokens),
        images: figures.count(Count::Images),
        cost: money(figures.cost(currency), currency)?,
        other_costs: others.map(|(other, nanos)| money(nanos, other)).collect::<Result<_, _>>()?,
    })
}

pub fn money(nanos: i128, currency: Currency) -> Result<Money, Problem> {
    Ok(Money { amount: amount(nanos)?, currency })
}

fn amount(nanos: i128) -> Result<Nanos, Problem> {
    i64::try_from(nanos).map(Nanos).map_err(|_| Problem::internal(format!("a cost of {nanos} nano-units")))
}

pub fn percentiles_to_api(figures: &Figures, latency: Latency) -> UsagePercentiles {
    let rounded = |quantile| figures.percentile(latency, quantile).map(milliseconds);
    UsagePercentiles { p50: rounded(0.5), p95: rounded(0.95), p99: rounded(0.99) }
}

pub fn value_to_api(value: MetricValue) -> Result<UsageValue, Problem> {
    Ok(match value {
        MetricValue::Count(count) => UsageValue::Count(count),
        MetricValue::CostNanos(nanos) => UsageValue::Cost(amount(nanos)?),
        MetricValue::Milliseconds(value) => UsageValue::Milliseconds(value.map(milliseconds)),
    })
}

/// More digits than a microsecond would pretend to know what a histogram does not.
fn milliseconds(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

pub fn group_to_api(dimensions: &[Dimension], values: &[Value]) -> UsageGroup {
    let mut group = UsageGroup::default();
    for (dimension, value) in dimensions.iter().zip(values) {
        match value {
            Value::Id(id) => set_id(&mut group, *dimension, Some(*id).filter(|id| !id.is_nil())),
            Value::Text(text) => set_text(&mut group, *dimension, text.clone()),
        }
    }
    group
}

fn set_id(group: &mut UsageGroup, dimension: Dimension, id: Option<Uuid>) {
    match dimension {
        Dimension::Key => group.key_id = Some(id.map(KeyId::from_uuid)),
        Dimension::User => group.user_id = Some(id.map(UserId::from_uuid)),
        Dimension::Team => group.team_id = Some(id.map(TeamId::from_uuid)),
        Dimension::Organisation => group.organisation_id = Some(id.map(OrganisationId::from_uuid)),
        Dimension::CostCentre
        | Dimension::Model
        | Dimension::Upstream
        | Dimension::Operation
        | Dimension::Outcome
        | Dimension::Currency => {}
    }
}

fn set_text(group: &mut UsageGroup, dimension: Dimension, text: String) {
    match dimension {
        Dimension::CostCentre => group.cost_centre = Some(text),
        Dimension::Model => group.model = Some(text),
        Dimension::Upstream => group.upstream = Some(text),
        Dimension::Operation => group.operation = Some(text),
        Dimension::Outcome => group.outcome = Some(text),
        Dimension::Currency => group.currency = Some(text),
        Dimension::Key | Dimension::User | Dimension::Team | Dimension::Organisation => {}
    }
}
