//! `GET /api/v1/usage/breakdown`: all groups of some usage, page by page.

use actix_web::{get, web};
use maas_types::{Cursor, Timestamp};
use maas_web::{FieldFault, PageQuery, Problem, QueryParams, Require, permission::ReadUsage};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    ask_problem, choice,
    figures::{
        UsageGroup, UsagePercentiles, UsagePeriod, UsageTotals, group_to_api, percentiles_to_api, period_to_api,
        totals_to_api,
    },
    invalid_parameter, ledger,
    usage_query::{PeriodQuery, UsageFilterQuery},
};
use crate::{
    app::UsageState,
    domain::{
        analytics::{
            figures::{Figures, Latency},
            metric::Metric,
        },
        dimensions::Dimension,
        filter::Value,
    },
    service::analytics::{
        Usage,
        breakdown::{BreakdownAnswer, BreakdownInput, breakdown},
    },
    store::analytics::page::{Position, Rank},
};

/// What sorts by the names of the groups.
const BY_NAME: &str = "name";

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct UsageBreakdownQuery {
    /// What rows are told apart by: model, upstream, team, organisation, cost_centre, user, key, operation, outcome or
    /// currency. Give it twice for each pair of two.
    #[param(required = true, example = json!(["user"]))]
    pub group: Vec<String>,
    /// `name`, or a figure as in the time series; cost when left out.
    #[param(example = "cost")]
    pub sort: Option<String>,
    /// asc or desc; by a figure desc when left out, by name asc.
    #[param(example = "desc")]
    pub order: Option<String>,
    /// Also percentiles of latencies; `latency_period` says what they are of.
    pub latency: Option<bool>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UsageBreakdown {
    pub period: UsagePeriod,
    /// What the percentiles are of, if they were asked for: the period; by key or user, the period out to whole days
    /// (UTC), unless keys or users are filtered by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_period: Option<UsagePeriod>,
    pub data: Vec<UsageRow>,
    /// Null: this is the last page.
    pub next_cursor: Option<String>,
    /// Of all groups, not only of this page.
    pub totals: UsageFigures,
    /// Every request admitted before this time is included.
    pub complete_until: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UsageRow {
    pub group: UsageGroup,
    #[serde(flatten)]
    pub figures: UsageFigures,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UsageFigures {
    #[serde(flatten)]
    pub usage: UsageTotals,
    /// The whole duration; only if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<UsagePercentiles>,
    /// Until the first byte; only if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<UsagePercentiles>,
}

/// Break usage down
///
/// A row for each value of a dimension, or each pair of two, sorted by any figure or by name. Callers see their own
/// usage and that of the teams they own, admins everybody's.
#[utoipa::path(
    operation_id = "getUsageBreakdown",
    tag = "usage",
    params(PeriodQuery, UsageFilterQuery, UsageBreakdownQuery, PageQuery),
    responses((status = 200, description = "A page of the groups, and the totals of all", body = UsageBreakdown))
)]
#[get("/api/v1/usage/breakdown")]
pub async fn get_usage_breakdown(
    state: web::Data<UsageState>,
    require: Require<ReadUsage>,
    QueryParams((period, filter, query, page)): QueryParams<(
        PeriodQuery,
        UsageFilterQuery,
        UsageBreakdownQuery,
        PageQuery,
    )>,
) -> Result<web::Json<UsageBreakdown>, Problem> {
    let ledger = ledger(&state).await?;
    let usage = period.usage(ledger.now, filter.checked(&require)?)?;
    let input = input_from_api(query, &page, usage)?;
    let answer = breakdown(&ledger, &input).await.map_err(ask_problem)?;
    to_api(answer, &input).map(web::Json)
}

fn input_from_api(query: UsageBreakdownQuery, page: &PageQuery, usage: Usage) -> Result<BreakdownInput, Problem> {
    let group = group_from_api(&query.group)?;
    let sort = match query.sort.as_deref() {
        Some(BY_NAME) => None,
        Some(metric) => Some(choice::metric("sort", metric)?),
        None => Some(Metric::Cost),
    };
    let descending = match query.order.as_deref() {
        None => sort.is_some(),
        Some("asc") => false,
        Some("desc") => true,
        Some(_) => return Err(choice::not_one_of("order", ["asc", "desc"])),
    };
    let (limit, after) = page.checked::<CursorPosition>()?;
    let after = after.map(|position| position_from_api(position, &group)).transpose()?;
    Ok(BreakdownInput { usage, group, sort, descending, latencies: query.latency.unwrap_or(false), after, limit })
}

fn group_from_api(names: &[String]) -> Result<Vec<Dimension>, Problem> {
    let group: Vec<_> = names.iter().map(|name| choice::dimension("group", name)).collect::<Result<_, _>>()?;
    match group.as_slice() {
        [_] => Ok(group),
        [first, second] if first != second => Ok(group),
        _ => Err(invalid_parameter("group", "invalid_value", "name one dimension, or two different ones")),
    }
}

/// A position as the cursor carries it.
#[derive(Debug, Serialize, Deserialize)]
struct CursorPosition {
    rank: Rank,
    group: Vec<String>,
}

fn position_to_api(position: &Position) -> CursorPosition {
    let text = |value: &Value| match value {
        Value::Id(id) => id.simple().to_string(),
        Value::Text(text) => text.clone(),
    };
    CursorPosition { rank: position.rank, group: position.group.iter().map(text).collect() }
}

/// A cursor of another question, or a forged one, must not reach the database as something that it fails on.
fn position_from_api(position: CursorPosition, group: &[Dimension]) -> Result<Position, Problem> {
    let foreign = || Problem::invalid(vec![FieldFault::new("?cursor", "invalid_cursor", "not a cursor of this list")]);
    if position.group.len() != group.len() {
        return Err(foreign());
    }
    let value = |(text, dimension): (String, &Dimension)| {
        if dimension.is_id() {
            return Uuid::try_parse(&text).map(Value::Id).map_err(|_| foreign());
        }
        if text.contains('\0') { Err(foreign()) } else { Ok(Value::Text(text)) }
    };
    let values = position.group.into_iter().zip(group).map(value).collect::<Result<_, _>>()?;
    Ok(Position { rank: position.rank, group: values })
}

fn to_api(answer: BreakdownAnswer, input: &BreakdownInput) -> Result<UsageBreakdown, Problem> {
    let figures = |figures: &Figures| {
        let percentiles = |latency| input.latencies.then(|| percentiles_to_api(figures, latency));
        Ok::<_, Problem>(UsageFigures {
            usage: totals_to_api(figures, answer.scope.currency)?,
            latency_ms: percentiles(Latency::Duration),
            ttft_ms: percentiles(Latency::FirstByte),
        })
    };
    let row = |(group, sums): &(Vec<Value>, Figures)| {
        Ok(UsageRow { group: group_to_api(&input.group, group), figures: figures(sums)? })
    };
    Ok(UsageBreakdown {
        period: period_to_api(answer.scope.period),
        latency_period: input.latencies.then(|| period_to_api(answer.latency_period)),
        data: answer.groups.iter().map(row).collect::<Result<_, Problem>>()?,
        next_cursor: answer.next.map(|position| Cursor::encode(&position_to_api(&position)).into_string()),
        totals: figures(&answer.totals)?,
        complete_until: answer.scope.complete_until,
    })
}
