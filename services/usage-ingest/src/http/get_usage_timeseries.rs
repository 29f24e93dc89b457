//! `GET /api/v1/usage/timeseries`: a figure over time, in all or by group.

use actix_web::{get, web};
use maas_types::{Currency, Timestamp};
use maas_web::{FieldFault, Problem, QueryParams, Require, permission::ReadUsage};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    ask_problem, choice,
    figures::{UsageGroup, UsagePeriod, UsageValue, group_to_api, period_to_api, value_to_api},
    ledger,
    usage_query::{PeriodQuery, UsageFilterQuery},
};
use crate::{
    app::UsageState,
    domain::{
        analytics::{figures::Figures, metric::Metric},
        dimensions::Dimension,
        period::Period,
    },
    service::analytics::{
        Usage,
        series::{Series, SeriesAnswer, SeriesInput, series},
    },
};

const DEFAULT_TOP: u32 = 10;
const MOST_TOP: u32 = 50;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct UsageTimeseriesQuery {
    /// The figure: requests, errors, unpriced_requests, input_tokens, cached_input_tokens, cache_write_input_tokens,
    /// audio_input_tokens, output_tokens, reasoning_tokens, audio_output_tokens, total_tokens, images, cost, or
    /// latency_p50, latency_p95, latency_p99 (whole duration), ttft_p50, ttft_p95, ttft_p99 (time to the first byte).
    #[param(required = true, example = "total_tokens")]
    pub metric: Option<String>,
    /// minute (of at most a day), quarter_hour, hour, day, week or month; day when left out. Percentiles by key or user
    /// over more than a day: day, week or month of UTC, unless keys or users are filtered by.
    #[param(example = "day")]
    pub interval: Option<String>,
    /// A series for each model, upstream, team, organisation, cost_centre, user, key, operation, outcome or currency.
    #[param(example = "model")]
    pub group: Option<String>,
    /// A second dimension, so that there is a series for each pair.
    #[param(example = "outcome")]
    pub subgroup: Option<String>,
    /// How many groups are shown, the largest ones; the rest is one series. 1 to 50, 10 when left out.
    #[param(minimum = 1, maximum = 50)]
    pub top: Option<u32>,
    /// IANA name of the zone whose clocks days and hours are cut by; UTC when left out.
    #[param(example = "Europe/Berlin")]
    pub time_zone: Option<String>,
    /// `previous`: also the period before, with the same groups. Of whole months or days it is as many of them, of any
    /// other period the same time.
    #[param(example = "previous")]
    pub compare: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UsageTimeseries {
    pub period: UsagePeriod,
    #[schema(example = "total_tokens")]
    pub metric: &'static str,
    #[schema(example = "day")]
    pub interval: &'static str,
    #[schema(example = "Europe/Berlin")]
    pub time_zone: &'static str,
    /// The currency of costs; what was charged in others is not in them.
    pub currency: Currency,
    /// Over all series; of a percentile, that of all requests.
    pub total: UsageValue,
    /// The largest first, the rest last. A series has a point for each stretch of time, also where nothing happened.
    pub series: Vec<UsageSeries>,
    /// The period before, if it was asked for: the same series in the same order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousTimeseries>,
    /// Every request admitted before this time is included.
    pub complete_until: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PreviousTimeseries {
    pub period: UsagePeriod,
    pub total: UsageValue,
    pub series: Vec<UsageSeries>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UsageSeries {
    pub group: UsageGroup,
    /// This series is everything that has no series of its own.
    pub is_other: bool,
    pub total: UsageValue,
    pub points: Vec<UsagePoint>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UsagePoint {
    /// Start of the stretch, inclusive.
    pub from: Timestamp,
    /// End of the stretch, exclusive.
    pub to: Timestamp,
    pub value: UsageValue,
}

/// Show usage over time
///
/// One figure, cut into minutes to months as the clocks of a time zone show them, in all or by group. Callers see their
/// own usage and that of the teams they own, admins everybody's.
#[utoipa::path(
    operation_id = "getUsageTimeseries",
    tag = "usage",
    params(PeriodQuery, UsageFilterQuery, UsageTimeseriesQuery),
    responses((status = 200, description = "The series of the period", body = UsageTimeseries))
)]
#[get("/api/v1/usage/timeseries")]
pub async fn get_usage_timeseries(
    state: web::Data<UsageState>,
    require: Require<ReadUsage>,
    QueryParams((period, filter, query)): QueryParams<(PeriodQuery, UsageFilterQuery, UsageTimeseriesQuery)>,
) -> Result<web::Json<UsageTimeseries>, Problem> {
    let ledger = ledger(&state).await?;
    let input = input_from_api(query, period.usage(ledger.now, filter.checked(&require)?)?)?;
    let answer = series(&ledger, &input).await.map_err(ask_problem)?;
    to_api(&answer, &input).map(web::Json)
}

fn input_from_api(query: UsageTimeseriesQuery, usage: Usage) -> Result<SeriesInput, Problem> {
    let fault =
        |name: &str, code, detail: String| Problem::invalid(vec![FieldFault::new(format!("?{name}"), code, detail)]);
    let metric = query.metric.ok_or_else(|| fault("metric", "missing", "name the figure".to_owned()))?;
    let top = query.top.unwrap_or(DEFAULT_TOP);
    if !(1..=MOST_TOP).contains(&top) {
        return Err(fault("top", "out_of_range", format!("must be 1 to {MOST_TOP}")));
    }
    if query.compare.as_deref().is_some_and(|compare| compare != "previous") {
        return Err(choice::not_one_of("compare", ["previous"]));
    }
    Ok(SeriesInput {
        usage,
        metric: choice::metric("metric", &metric)?,
        interval: choice::interval("interval", query.interval.as_deref().unwrap_or("day"))?,
        zone: choice::zone("time_zone", query.time_zone.as_deref())?,
        group: group_from_api(query.group.as_deref(), query.subgroup.as_deref())?,
        top: top as usize,
        compare: query.compare.is_some(),
    })
}

fn group_from_api(group: Option<&str>, subgroup: Option<&str>) -> Result<Vec<Dimension>, Problem> {
    let refused = |detail| Problem::invalid(vec![FieldFault::new("?subgroup", "invalid_value", detail)]);
    let (group, subgroup) = match (group, subgroup) {
        (None, None) => return Ok(Vec::new()),
        (None, Some(_)) => return Err(refused("needs a group")),
        (Some(group), None) => return Ok(vec![choice::dimension("group", group)?]),
        (Some(group), Some(subgroup)) => (choice::dimension("group", group)?, choice::dimension("subgroup", subgroup)?),
    };
    if group == subgroup { Err(refused("must not be the group")) } else { Ok(vec![group, subgroup]) }
}

fn to_api(answer: &SeriesAnswer, input: &SeriesInput) -> Result<UsageTimeseries, Problem> {
    let currency = answer.scope.currency;
    let total = |totals: &Figures| value_to_api(input.metric.value(totals, currency));
    let all = |series: &[Series], stretches: &[Period]| {
        series.iter().map(|one| series_to_api(one, stretches, input, currency)).collect::<Result<Vec<_>, Problem>>()
    };
    let previous = answer.previous.as_ref().map(|before| {
        Ok::<_, Problem>(PreviousTimeseries {
            period: period_to_api(before.period),
            total: total(&before.totals)?,
            series: all(&before.series, &before.stretches)?,
        })
    });
    Ok(UsageTimeseries {
        period: period_to_api(answer.scope.period),
        metric: input.metric.as_str(),
        interval: input.interval.as_str(),
        time_zone: input.zone.name(),
        currency,
        total: total(&answer.totals)?,
        series: all(&answer.series, &answer.stretches)?,
        previous: previous.transpose()?,
        complete_until: answer.scope.complete_until,
    })
}

fn series_to_api(
    series: &Series,
    stretches: &[Period],
    input: &SeriesInput,
    currency: Currency,
) -> Result<UsageSeries, Problem> {
    let metric: Metric = input.metric;
    let value = |figures: &Figures| value_to_api(metric.value(figures, currency));
    let point = |(stretch, figures): (&Period, &Figures)| {
        Ok(UsagePoint { from: stretch.from, to: stretch.to, value: value(figures)? })
    };
    Ok(UsageSeries {
        group: group_to_api(&input.group, series.group.as_deref().unwrap_or_default()),
        is_other: series.group.is_none(),
        total: value(&series.totals)?,
        points: stretches.iter().zip(&series.points).map(point).collect::<Result<_, Problem>>()?,
    })
}
