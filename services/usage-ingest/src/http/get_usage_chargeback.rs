//! `GET /api/v1/usage/chargeback`: what teams or cost centres are charged for a month.

use actix_web::{HttpResponse, get, web};
use maas_types::{Currency, TeamId, Timestamp};
use maas_web::{Problem, QueryParams, Require, export::FileFormat, permission::ReadUsage};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::{
    begin_export, choice,
    export_body::{File, respond},
    figures::{UsagePeriod, UsageTotals},
    invalid_parameter, store_problem,
    usage_query::visibility,
};
use crate::{
    app::UsageState,
    domain::{dimensions::Dimension, filter::UsageFilter, focus, period::Period},
    service::{
        analytics::Usage,
        export::{Chargeback, Month, ReportFormat, Rows},
    },
};

const PAYERS: [(&str, Dimension); 2] = [("team", Dimension::Team), ("cost_centre", Dimension::CostCentre)];
const FORMATS: [(&str, FileFormat, ReportFormat); 3] = [
    ("json", FileFormat::Json, ReportFormat::Plain),
    ("csv", FileFormat::Csv, ReportFormat::Plain),
    ("focus", FileFormat::Csv, ReportFormat::Focus),
];

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct UsageChargebackQuery {
    /// The month that is charged, UTC.
    #[param(required = true, example = "2026-11")]
    pub month: Option<String>,
    /// Who is charged: team (when left out) or cost_centre.
    #[param(example = "team")]
    pub by: Option<String>,
    /// json (when left out), csv, or focus: CSV with the columns of FOCUS 1.2.
    #[param(example = "json")]
    pub format: Option<String>,
}

/// The report in JSON.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageChargeback {
    #[schema(example = "2026-11")]
    pub month: String,
    #[schema(example = "team")]
    pub by: String,
    #[schema(inline)]
    pub period: UsagePeriod,
    pub currency: Currency,
    /// Every request admitted before this time is included.
    pub complete_until: Timestamp,
    /// The moment that all lines are of: what was booked later is not among them.
    pub as_of: Timestamp,
    pub rows: Vec<UsageChargebackLine>,
    /// The sum of the lines. A report without it is not complete.
    pub totals: UsageTotals,
}

/// What one payer used of one model, in one currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageChargebackLine {
    #[schema(example = "2026-11")]
    pub month: String,
    /// The month that it was used in: an earlier one if it came after that was closed.
    #[schema(example = "2026-11")]
    pub of_month: String,
    /// By team. Null: usage that is booked to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team_id: Option<TeamId>,
    /// By cost centre. Empty: usage that is booked to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_centre: Option<String>,
    #[schema(example = "llama-3.1-8b-instruct")]
    pub model: String,
    pub currency: Currency,
    #[schema(example = 1280)]
    pub requests: i64,
    #[schema(example = 0)]
    pub unpriced_requests: i64,
    #[schema(example = 512000)]
    pub input_tokens: i64,
    pub cached_input_tokens: i64,
    pub cache_write_input_tokens: i64,
    pub audio_input_tokens: i64,
    #[schema(example = 96000)]
    pub output_tokens: i64,
    pub reasoning_tokens: i64,
    pub audio_output_tokens: i64,
    pub images: i64,
    #[schema(example = "12.400000000")]
    pub cost: String,
}

/// Report what is charged for a month
///
/// The lines of the ledger by team or cost centre, model and currency. A month is closed some days after its end; what
/// is booked for it later is in the report of the month that is open then, in lines that name the month they are of, so
/// a closed report never changes. Callers see their own usage and that of the teams they own, admins everybody's.
#[utoipa::path(
    operation_id = "getUsageChargeback",
    tag = "usage",
    params(UsageChargebackQuery),
    responses(
        (status = 200, description = "The report", content(
            (UsageChargeback = "application/json"),
            (String = "text/csv"),
        )),
        (status = 429, description = "Two exports of yours, or many of others, are running")
    )
)]
#[get("/api/v1/usage/chargeback")]
pub async fn get_usage_chargeback(
    state: web::Data<UsageState>,
    require: Require<ReadUsage>,
    QueryParams(query): QueryParams<UsageChargebackQuery>,
) -> Result<HttpResponse, Problem> {
    let month: Month = query.month.as_deref().unwrap_or_default().parse().map_err(|error| {
        let error: crate::service::export::NotAMonth = error;
        invalid_parameter("month", "invalid_value", error.to_string())
    })?;
    let (by, payer) = payer(query.by.as_deref())?;
    let (format, report) = report_format(query.format.as_deref())?;
    let filter = UsageFilter::new(visibility(&require), []);
    let (from, to) = month.bounds();
    let usage = Usage { period: Period { from, to }, filter };
    let snapshot = begin_export(&state, require.caller.user_id).await?;
    let scope = snapshot.scope_of(&usage).await.map_err(store_problem)?;
    let file = File {
        format,
        name: file_name(month, by, report),
        facts: vec![
            ("month", json!(month.to_string())),
            ("by", json!(by)),
            ("period", json!({"from": from.to_string(), "to": to.to_string()})),
            ("currency", json!(scope.currency.to_string())),
            ("complete_until", json!(scope.complete_until.to_string())),
            ("as_of", json!(snapshot.ledger.now.to_string())),
        ],
        currency: scope.currency,
    };
    let rows = Chargeback::new(month, payer, usage.filter, report);
    respond(file, Rows::Chargeback(rows), snapshot).await
}

fn payer(text: Option<&str>) -> Result<(&'static str, Dimension), Problem> {
    let Some(text) = text else { return Ok(PAYERS[0]) };
    let found = PAYERS.iter().find(|(name, _)| *name == text).copied();
    found.ok_or_else(|| choice::not_one_of("by", PAYERS.map(|(name, _)| name)))
}

fn report_format(text: Option<&str>) -> Result<(FileFormat, ReportFormat), Problem> {
    let text = text.unwrap_or("json");
    let found = FORMATS.iter().find(|(name, ..)| *name == text).map(|(_, file, report)| (*file, *report));
    found.ok_or_else(|| choice::not_one_of("format", FORMATS.map(|(name, ..)| name)))
}

fn file_name(month: Month, by: &str, report: ReportFormat) -> String {
    match report {
        ReportFormat::Plain => format!("chargeback-{month}-by-{by}"),
        ReportFormat::Focus => format!("focus-{}-{month}-by-{by}", focus::VERSION),
    }
}
