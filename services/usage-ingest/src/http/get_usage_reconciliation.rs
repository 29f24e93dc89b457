//! `GET /api/v1/usage/reconciliation`: the proof that no usage is missing.

use actix_web::{get, web};
use maas_types::{Timestamp, UtcDay, UtcDayError, input::InputFault};
use maas_web::{PageQuery, Problem, QueryParams, Require, permission::ReconcileUsage};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    reconciliation::UsageReconciliation,
    repair::{RepairState, chosen, invalid},
    store_problem,
};
use crate::{
    domain::reconciliation::SourceStanding, service::reconciliation::ReconciliationQuestion,
    store::reconciliation::SourceFilter,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReconciliationQuery {
    /// Sources of a page, 1 to 1000; 50 when left out.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next_cursor` of the previous page.
    pub cursor: Option<String>,
    /// Only sources that are live, closed or lost.
    #[param(example = "live")]
    pub state: Option<String>,
    /// True: only sources that announced something that is not committed.
    pub missing: Option<bool>,
    /// Check this day (UTC) now: `YYYY-MM-DD`, not in the future; a check of the last 60 seconds is answered again. Without
    /// it the last checks of today and yesterday are answered.
    #[param(example = "2026-11-20")]
    pub day: Option<String>,
}

/// Get the reconciliation
///
/// How each producer stands, what waits in the stream, and whether all sums of a day are the sum of its entries: the
/// number that proves that no usage is missing. `checked_at` of a proof says of which moment it is. A check that takes
/// the database too long (two minutes for a statement) is 503, and the result before it stays.
#[utoipa::path(
    operation_id = "getUsageReconciliation",
    tag = "usage",
    params(ReconciliationQuery),
    responses((status = 200, description = "The state of the ledger, and a page of its producers", body = UsageReconciliation))
)]
#[get("/api/v1/usage/reconciliation")]
pub async fn get_usage_reconciliation(
    _require: Require<ReconcileUsage>,
    QueryParams(query): QueryParams<ReconciliationQuery>,
    state: web::Data<RepairState>,
) -> Result<web::Json<UsageReconciliation>, Problem> {
    let (limit, after) = PageQuery::new(query.limit, query.cursor.clone()).checked::<String>()?;
    let standing = chosen("state", query.state.as_deref(), &SourceStanding::ALL, SourceStanding::as_str)?;
    let filter = SourceFilter { standing, missing: query.missing.unwrap_or(false) };
    let day = query.day.map(|text| day_from_api(&text, state.0.clock.now())).transpose()?;
    let question = ReconciliationQuestion { filter, after, day };
    let reconciliation = state.0.reconcile(&question, limit).await.map_err(store_problem)?;
    Ok(web::Json(UsageReconciliation::to_api(reconciliation)))
}

fn day_from_api(text: &str, now: Timestamp) -> Result<UtcDay, Problem> {
    let fault = |detail: String| invalid(vec![InputFault::new("?day", "invalid_value", detail)]);
    let day: UtcDay = text.parse().map_err(|error: UtcDayError| fault(error.to_string()))?;
    if day > UtcDay::of(now) || day < UtcDay(0) {
        return Err(fault("must not be in the future".to_owned()));
    }
    Ok(day)
}
