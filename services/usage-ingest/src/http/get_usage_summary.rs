//! `GET /api/v1/usage/summary`: how much was used, in all, by model and by key.

use actix_web::{get, web};
use maas_types::{Currency, KeyId, Money, Nanos, Timestamp, UserId};
use maas_web::{Problem, QueryParams, Require, permission::ReadUsage};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{invalid_parameter, model_filter, store_problem};
use crate::{
    app::UsageState,
    domain::{
        period::{Period, PeriodError},
        summary::Sums,
    },
    service::questions::{self, SummaryAnswer},
    store::summary::UsageFilter,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsageSummaryQuery {
    /// Start of the period, inclusive; by default the start of the calendar month (UTC) that it ends in.
    pub from: Option<Timestamp>,
    /// End of the period, exclusive; by default now. At most 366 days after `from`.
    pub to: Option<Timestamp>,
    /// Only requests with this key.
    pub key_id: Option<KeyId>,
    /// Only requests to the model of this name.
    #[param(example = "llama-3.1-8b-instruct")]
    pub model: Option<String>,
    /// Only requests of this user. Callers who see only their own usage get nothing for anybody else.
    pub user_id: Option<UserId>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UsageSummary {
    pub period: UsagePeriod,
    pub totals: UsageTotals,
    /// By model, the most expensive first. Adds up to `totals`.
    pub by_model: Vec<UsageByModel>,
    /// By key, the most expensive first. Adds up to `totals`.
    pub by_key: Vec<UsageByKey>,
    /// Every request admitted before this time is included.
    pub complete_until: Timestamp,
}

/// The period that is answered, exactly as asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsagePeriod {
    /// Inclusive.
    pub from: Timestamp,
    /// Exclusive.
    pub to: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UsageTotals {
    #[schema(value_type = u64, example = 1280)]
    pub requests: i128,
    #[schema(value_type = u64, example = 512000)]
    pub input_tokens: i128,
    #[schema(value_type = u64, example = 96000)]
    pub output_tokens: i128,
    /// Part of `input_tokens`.
    #[schema(value_type = u64, example = 128000)]
    pub cached_input_tokens: i128,
    /// Part of `output_tokens`.
    #[schema(value_type = u64, example = 24000)]
    pub reasoning_tokens: i128,
    pub cost: Money,
    /// What was charged in other currencies; never added to `cost`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_costs: Vec<Money>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UsageByModel {
    #[schema(example = "llama-3.1-8b-instruct")]
    pub model: String,
    #[serde(flatten)]
    pub usage: UsageTotals,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UsageByKey {
    /// Null: requests that came with an access token instead of a key.
    pub key_id: Option<KeyId>,
    /// The key's last request of all, also outside the period.
    pub last_used_at: Option<Timestamp>,
    #[serde(flatten)]
    pub usage: UsageTotals,
}

/// Sum up usage
///
/// Requests, tokens and cost of a period: in all, by model, by key. Callers see their own usage, admins everybody's.
#[utoipa::path(
    operation_id = "getUsageSummary",
    tag = "usage",
    params(UsageSummaryQuery),
    responses((status = 200, description = "The sums of the period", body = UsageSummary))
)]
#[get("/api/v1/usage/summary")]
pub async fn get_usage_summary(
    state: web::Data<UsageState>,
    require: Require<ReadUsage>,
    QueryParams(query): QueryParams<UsageSummaryQuery>,
) -> Result<web::Json<UsageSummary>, Problem> {
    let now = state.clock.now();
    let period = Period::of_question(query.from, query.to, now).map_err(period_problem)?;
    let model = model_filter(query.model)?;
    let filter = UsageFilter { owner: require.scope.owner(), user: query.user_id, key: query.key_id, model };
    let answer = questions::summarise(&state.database, period, &filter, now).await.map_err(store_problem)?;
    to_api(answer, period, state.currency).map(web::Json)
}

pub(super) fn period_problem(error: PeriodError) -> Problem {
    let code = match error {
        PeriodError::Empty => "empty_range",
        PeriodError::TooLong => "range_too_long",
    };
    invalid_parameter("from", code, error.to_string())
}

fn to_api(answer: SummaryAnswer, period: Period, currency: Currency) -> Result<UsageSummary, Problem> {
    let SummaryAnswer { summary, last_uses, complete_until } = answer;
    let mut models: Vec<_> = summary.by_model.into_iter().collect();
    models.sort_by_key(|(_, sums)| rank(sums, currency));
    let mut keys: Vec<_> = summary.by_key.into_iter().collect();
    keys.sort_by_key(|(_, sums)| rank(sums, currency));
    Ok(UsageSummary {
        period: UsagePeriod { from: period.from, to: period.to },
        totals: totals_to_api(&summary.totals, currency)?,
        by_model: models
            .into_iter()
            .map(|(model, sums)| Ok(UsageByModel { model, usage: totals_to_api(&sums, currency)? }))
            .collect::<Result<_, Problem>>()?,
        by_key: keys
            .into_iter()
            .map(|(key_id, sums)| {
                let last_used_at = key_id.and_then(|key| last_uses.get(&key).copied());
                Ok(UsageByKey { key_id, last_used_at, usage: totals_to_api(&sums, currency)? })
            })
            .collect::<Result<_, Problem>>()?,
        complete_until,
    })
}

/// Ascending by this is most expensive first, then most used; the sort is stable, so equal ones stay in name order.
fn rank(sums: &Sums, currency: Currency) -> (i128, i128) {
    (-sums.costs.get(&currency).copied().unwrap_or_default(), -sums.requests)
}

fn totals_to_api(sums: &Sums, currency: Currency) -> Result<UsageTotals, Problem> {
    let others = sums.costs.iter().filter(|(other, _)| **other != currency);
    Ok(UsageTotals {
        requests: sums.requests,
        input_tokens: sums.input_tokens,
        output_tokens: sums.output_tokens,
        cached_input_tokens: sums.cached_input_tokens,
        reasoning_tokens: sums.reasoning_tokens,
        cost: money(sums.costs.get(&currency).copied().unwrap_or_default(), currency)?,
        other_costs: others.map(|(other, nanos)| money(*nanos, *other)).collect::<Result<_, _>>()?,
    })
}

fn money(nanos: i128, currency: Currency) -> Result<Money, Problem> {
    let amount = i64::try_from(nanos).map_err(|_| Problem::internal(format!("a cost of {nanos} nano-units")))?;
    Ok(Money { amount: Nanos(amount), currency })
}
