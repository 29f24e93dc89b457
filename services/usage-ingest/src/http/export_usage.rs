//! `GET /api/v1/usage/export`: all rows of some usage, as a file.

use actix_web::{HttpResponse, get, web};
use maas_types::{Currency, Timestamp};
use maas_web::{Problem, QueryParams, Require, export::FileFormat, permission::ReadUsage};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::{
    ask_problem, begin_export, choice,
    export_body::{File, respond},
    figures::{UsagePeriod, UsageTotals},
    store_problem,
    usage_query::{PeriodQuery, UsageFilterQuery},
};
use crate::{
    app::UsageState,
    domain::{analytics::interval::Interval, dimensions::Dimension},
    service::{
        analytics::{AskError, Ledger, Scope, Usage},
        export::{Entries, GroupedInput, Groups, Rows},
    },
};

const ENTRIES: &str = "entries";
const PERIOD: &str = "period";

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ExportUsageQuery {
    /// csv, json or ndjson; csv when left out.
    #[param(example = "csv")]
    pub format: Option<String>,
    /// `entries`: every request and every correction. Or sums: `period` (of all of it), or by minute, quarter_hour,
    /// hour, day, week or month; day when left out.
    #[param(example = "day")]
    pub granularity: Option<String>,
    /// What sums are told apart by, as in the breakdown, any number of dimensions; model when left out. The currency is
    /// always told apart.
    #[param(example = json!(["model", "team"]))]
    pub group: Vec<String>,
    /// IANA name of the zone whose clocks days and hours are cut by; UTC when left out.
    #[param(example = "Europe/Berlin")]
    pub time_zone: Option<String>,
}

/// The file in JSON.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageExport {
    #[schema(inline)]
    pub period: UsagePeriod,
    pub currency: Currency,
    /// Every request admitted before this time is included.
    pub complete_until: Timestamp,
    /// The moment that all rows are of: what was booked later is not among them.
    pub as_of: Timestamp,
    /// The fields are the columns of the CSV.
    #[schema(value_type = Vec<Object>)]
    pub rows: Vec<serde_json::Value>,
    /// The sum of the rows. A file without it is not complete.
    pub totals: UsageTotals,
}

/// Export usage
///
/// All rows, streamed. Sums of groups, or single requests with what corrects them. All rows are of one moment (`as_of`),
/// and add up to what the summary of the same question said then. If something fails on the way, if nothing is taken for
/// 5 minutes, or if all is not taken within 30, the connection is closed in the middle. In CSV a text that a
/// spreadsheet would take for a formula begins with an apostrophe; numbers are never changed, those of corrections may
/// be negative. At most two exports of a caller run at once, and 8 in all. Callers see their own usage and that of the teams they
/// own, admins everybody's.
#[utoipa::path(
    operation_id = "exportUsage",
    tag = "usage",
    params(PeriodQuery, UsageFilterQuery, ExportUsageQuery),
    responses(
        (status = 200, description = "The file", content(
            (UsageExport = "application/json"),
            (String = "text/csv"),
            (String = "application/x-ndjson"),
        )),
        (status = 429, description = "Two exports of yours, or eight in all, are running")
    )
)]
#[get("/api/v1/usage/export")]
pub async fn export_usage(
    state: web::Data<UsageState>,
    require: Require<ReadUsage>,
    QueryParams((period, filter, query)): QueryParams<(PeriodQuery, UsageFilterQuery, ExportUsageQuery)>,
) -> Result<HttpResponse, Problem> {
    let usage = period.usage(state.clock.now(), filter.checked(&require)?)?;
    let format = file_format(query.format.as_deref())?;
    let wanted = wanted(&query)?;
    let snapshot = begin_export(&state, require.caller.user_id).await?;
    let scope = snapshot.scope_of(&usage).await.map_err(store_problem)?;
    let rows = rows(&snapshot.ledger, Usage { period: scope.period, ..usage }, wanted).map_err(ask_problem)?;
    respond(file(format, &scope, snapshot.ledger.now), rows, snapshot).await
}

/// What the rows are.
enum Wanted {
    Entries,
    Groups { interval: Option<Interval>, zone: crate::domain::zone::Zone, group: Vec<Dimension> },
}

fn wanted(query: &ExportUsageQuery) -> Result<Wanted, Problem> {
    let zone = choice::zone("time_zone", query.time_zone.as_deref())?;
    let mut group = Vec::new();
    for name in &query.group {
        let dimension = choice::dimension("group", name)?;
        if !group.contains(&dimension) {
            group.push(dimension);
        }
    }
    if group.is_empty() {
        group.push(Dimension::Model);
    }
    let interval = match query.granularity.as_deref() {
        Some(ENTRIES) => return Ok(Wanted::Entries),
        Some(PERIOD) => None,
        None => Some(Interval::Day),
        Some(other) => Some(Interval::parse(other).ok_or_else(|| {
            choice::not_one_of("granularity", [ENTRIES, PERIOD].into_iter().chain(Interval::ALL.map(Interval::as_str)))
        })?),
    };
    Ok(Wanted::Groups { interval, zone, group })
}

fn rows(ledger: &Ledger, usage: Usage, wanted: Wanted) -> Result<Rows, AskError> {
    Ok(match wanted {
        Wanted::Entries => Rows::Entries(Entries::new(ledger, usage)?),
        Wanted::Groups { interval, zone, group } => {
            Rows::Groups(Groups::new(ledger, GroupedInput { usage, interval, zone, group })?)
        }
    })
}

pub(super) fn file_format(text: Option<&str>) -> Result<FileFormat, Problem> {
    let Some(text) = text else { return Ok(FileFormat::Csv) };
    FileFormat::parse(text).ok_or_else(|| choice::not_one_of("format", FileFormat::ALL.map(|(name, _)| name)))
}

fn file(format: FileFormat, scope: &Scope, as_of: Timestamp) -> File {
    let day = |time: Timestamp| time.to_string().chars().take(10).collect::<String>();
    let (from, to) = (scope.period.from, scope.period.to);
    File {
        format,
        name: format!("usage-{}-{}", day(from), day(to)),
        facts: vec![
            ("period", json!({"from": from.to_string(), "to": to.to_string()})),
            ("currency", json!(scope.currency.to_string())),
            ("complete_until", json!(scope.complete_until.to_string())),
            ("as_of", json!(as_of.to_string())),
        ],
        currency: scope.currency,
    }
}
