//! `GET /api/v1/usage/summary`: how much was used, in all, by model and by key.

use actix_web::{get, web};
use maas_types::{Currency, KeyId, Timestamp};
use maas_web::{Problem, QueryParams, Require, permission::ReadUsage};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ask_problem,
    figures::{UsagePeriod, UsageTotals, period_to_api, totals_to_api},
    ledger,
    usage_query::{PeriodQuery, UsageFilterQuery},
};
use crate::{
    app::UsageState,
    domain::analytics::figures::{Count, Figures},
    service::analytics::summary::{SummaryAnswer, summarise},
};

#[derive(Debug, Serialize, ToSchema)]
pub struct UsageSummary {
    pub period: UsagePeriod,
    pub totals: UsageTotals,
    /// By model, the most expensive first. Adds up to `totals`.
    pub by_model: Vec<UsageByModel>,
    /// By key, the most expensive first, at most 1000 keys. With fewer it adds up to `totals`; the usage breakdown
    /// lists all.
    pub by_key: Vec<UsageByKey>,
    /// Every request admitted before this time is included.
    pub complete_until: Timestamp,
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
/// Requests, tokens and cost of a period: in all, by model, by key. Callers see their own usage and that of the teams
/// they own, admins everybody's.
#[utoipa::path(
    operation_id = "getUsageSummary",
    tag = "usage",
    params(PeriodQuery, UsageFilterQuery),
    responses((status = 200, description = "The sums of the period", body = UsageSummary))
)]
#[get("/api/v1/usage/summary")]
pub async fn get_usage_summary(
    state: web::Data<UsageState>,
    require: Require<ReadUsage>,
    QueryParams((period, filter)): QueryParams<(PeriodQuery, UsageFilterQuery)>,
) -> Result<web::Json<UsageSummary>, Problem> {
    let ledger = ledger(&state).await?;
    let usage = period.usage(ledger.now, filter.checked(&require)?)?;
    let answer = summarise(&ledger, &usage).await.map_err(ask_problem)?;
    to_api(answer).map(web::Json)
}

fn to_api(answer: SummaryAnswer) -> Result<UsageSummary, Problem> {
    let SummaryAnswer { scope, totals, mut by_model, by_key, last_uses } = answer;
    let currency = scope.currency;
    by_model.sort_by_key(|(_, figures)| rank(figures, currency));
    let of_model =
        |(model, figures): (String, Figures)| Ok(UsageByModel { model, usage: totals_to_api(&figures, currency)? });
    let of_key = |(key_id, figures): (Option<KeyId>, Figures)| {
        let last_used_at = key_id.and_then(|key| last_uses.get(&key).copied());
        Ok(UsageByKey { key_id, last_used_at, usage: totals_to_api(&figures, currency)? })
    };
    Ok(UsageSummary {
        period: period_to_api(scope.period),
        totals: totals_to_api(&totals, currency)?,
        by_model: by_model.into_iter().map(of_model).collect::<Result<_, Problem>>()?,
        by_key: by_key.into_iter().map(of_key).collect::<Result<_, Problem>>()?,
        complete_until: scope.complete_until,
    })
}

/// Ascending by this is most expensive first, then most used; the sort is stable, so equal ones stay in name order.
fn rank(figures: &Figures, currency: Currency) -> (i128, i128) {
    (-figures.cost(currency), -figures.count(Count::Requests))
}
