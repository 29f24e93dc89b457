//! `GET /api/v1/usage/filters`: what there is to filter by.

use actix_web::{get, web};
use maas_types::{KeyId, OrganisationId, TeamId, Timestamp, UserId};
use maas_web::{Problem, QueryParams, Require, permission::ReadUsage};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    ask_problem, choice,
    figures::{UsagePeriod, period_to_api},
    invalid_parameter, ledger,
    usage_query::{PeriodQuery, UsageFilterQuery, is_a_name},
};
use crate::{
    app::UsageState,
    domain::{dimensions::Dimension, filter::Value},
    service::analytics::filters::{FilterValues, FiltersInput, filters},
    store::analytics::values::Prefix,
};

const DEFAULT_LIMIT: u32 = 100;
const MOST_LIMIT: u32 = 1_000;

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct UsageFiltersQuery {
    /// Only these dimensions: model, upstream, team, organisation, cost_centre, user, key, operation, outcome,
    /// currency. All but user and key when left out.
    #[param(example = json!(["model"]))]
    pub dimension: Vec<String>,
    /// Only values that begin like this, in any case; of ids, with their prefix (`usr_…`).
    #[param(example = "llama")]
    pub prefix: Option<String>,
    /// Values of each dimension, 1 to 1000; 100 when left out.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UsageFilters {
    pub period: UsagePeriod,
    pub dimensions: Vec<UsageFilterValues>,
    /// Every request admitted before this time is included.
    pub complete_until: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UsageFilterValues {
    #[schema(example = "model")]
    pub dimension: &'static str,
    /// In order.
    pub values: Vec<UsageFilterValue>,
    /// There are more; narrow them down with `prefix`.
    pub more: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UsageFilterValue {
    /// What the filter takes. Null: requests without an id of this kind, which cannot be filtered by.
    #[schema(example = "llama-3.1-8b-instruct")]
    pub value: Option<String>,
    /// The name, where the ledger knows one. Of users, keys, teams and organisations it knows the ids only; their
    /// owners know their names.
    #[schema(example = "llama-3.1-8b-instruct")]
    pub name: Option<String>,
}

/// List what there is to filter by
///
/// The values that each dimension has in the usage of a period, under the filters that are given. Callers see their own
/// usage and that of the teams they own, admins everybody's.
#[utoipa::path(
    operation_id = "getUsageFilters",
    tag = "usage",
    params(PeriodQuery, UsageFilterQuery, UsageFiltersQuery),
    responses((status = 200, description = "The values of each dimension", body = UsageFilters))
)]
#[get("/api/v1/usage/filters")]
pub async fn get_usage_filters(
    state: web::Data<UsageState>,
    require: Require<ReadUsage>,
    QueryParams((period, filter, query)): QueryParams<(PeriodQuery, UsageFilterQuery, UsageFiltersQuery)>,
) -> Result<web::Json<UsageFilters>, Problem> {
    let ledger = ledger(&state).await?;
    let usage = period.usage(ledger.now, filter.checked(&require)?)?;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MOST_LIMIT).contains(&limit) {
        return Err(invalid_parameter("limit", "out_of_range", format!("must be 1 to {MOST_LIMIT}")));
    }
    let dimensions = dimensions_from_api(&query)?;
    let input = FiltersInput { usage, dimensions, limit: limit as usize };
    let (scope, lists) = filters(&ledger, &input).await.map_err(ask_problem)?;
    Ok(web::Json(UsageFilters {
        period: period_to_api(scope.period),
        dimensions: lists.into_iter().map(values_to_api).collect(),
        complete_until: scope.complete_until,
    }))
}

/// With a prefix that can only be of ids of another kind, a dimension has no values and is left out.
fn dimensions_from_api(query: &UsageFiltersQuery) -> Result<Vec<(Dimension, Option<Prefix>)>, Problem> {
    let prefix = query.prefix.as_deref().filter(|prefix| !prefix.is_empty());
    if prefix.is_some_and(|prefix| !is_a_name(prefix)) {
        return Err(invalid_parameter("prefix", "invalid_value", "at most 255 characters, no control characters"));
    }
    let asked: Vec<_> =
        query.dimension.iter().map(|name| choice::dimension("dimension", name)).collect::<Result<_, _>>()?;
    let without_people = choice::DIMENSIONS.map(|(_, dimension)| dimension).into_iter();
    let dimensions: Vec<_> =
        if asked.is_empty() { without_people.filter(|one| !one.is_about_people()).collect() } else { asked };
    let mut wanted: Vec<(Dimension, Option<Prefix>)> = Vec::new();
    for dimension in dimensions {
        let begins = match prefix {
            None => Some(None),
            Some(text) if dimension.is_id() => ids_that_begin(dimension, text).map(Some),
            Some(text) => Some(Some(Prefix::Text(text.to_owned()))),
        };
        if let Some(begins) = begins.filter(|_| !wanted.iter().any(|(known, _)| *known == dimension)) {
            wanted.push((dimension, begins));
        }
    }
    Ok(wanted)
}

/// The first and the last id whose text begins like this; None: no id of this kind does.
fn ids_that_begin(dimension: Dimension, text: &str) -> Option<Prefix> {
    let kind = match dimension {
        Dimension::Key => KeyId::PREFIX,
        Dimension::User => UserId::PREFIX,
        Dimension::Team => TeamId::PREFIX,
        Dimension::Organisation => OrganisationId::PREFIX,
        _ => return None,
    };
    let text = text.to_ascii_lowercase();
    let digits = match text.strip_prefix(kind) {
        Some(digits) => digits,
        None if kind.starts_with(&text) => "",
        None => return None,
    };
    let filled = |digit: char| {
        let all: String = digits.chars().chain(std::iter::repeat(digit)).take(32).collect();
        Uuid::try_parse(&all).ok().filter(|_| digits.len() <= 32)
    };
    Some(Prefix::Ids(filled('0')?, filled('f')?))
}

fn values_to_api(list: FilterValues) -> UsageFilterValues {
    let value = |value: Value| {
        let text = value.text(list.dimension);
        let name = text.clone().filter(|_| !list.dimension.is_id());
        UsageFilterValue { value: text, name }
    };
    UsageFilterValues {
        dimension: choice::dimension_name(list.dimension),
        values: list.values.into_iter().map(value).collect(),
        more: list.more,
    }
}
