//! `GET /api/v1/usage/corrections`: what was changed, by whom and why.

use actix_web::{get, web};
use maas_types::{Cursor, EventId, TeamId, Timestamp, UserId};
use maas_web::{PageQuery, Problem, QueryParams, Require, permission::ReconcileUsage};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    correction::UsageCorrection,
    repair::{RepairState, chosen},
    store_problem,
};
use crate::{
    domain::correction::CorrectionKind,
    store::correction_list::{CorrectionFilter, Position},
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsageCorrectionsQuery {
    /// Rows of a page, 1 to 1000; 50 when left out.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next_cursor` of the previous page.
    pub cursor: Option<String>,
    /// Only corrections of this kind: quality, manual or backfill.
    #[param(example = "manual")]
    pub kind: Option<String>,
    /// Only corrections of this event.
    pub event_id: Option<EventId>,
    /// Only corrections of this user's usage.
    pub user_id: Option<UserId>,
    /// Only corrections of this team's usage.
    pub team_id: Option<TeamId>,
    /// Only corrections that were booked at this time or later.
    pub from: Option<Timestamp>,
    /// Only corrections that were booked before this time.
    pub to: Option<Timestamp>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UsageCorrectionPage {
    /// Newest first.
    pub data: Vec<UsageCorrection>,
    /// Null: this is the last page.
    pub next_cursor: Option<String>,
}

/// List corrections
///
/// Every signed row that changes what events have booked, newest first.
#[utoipa::path(
    operation_id = "listUsageCorrections",
    tag = "usage",
    params(UsageCorrectionsQuery),
    responses((status = 200, description = "A page of corrections", body = UsageCorrectionPage))
)]
#[get("/api/v1/usage/corrections")]
pub async fn list_usage_corrections(
    _require: Require<ReconcileUsage>,
    QueryParams(query): QueryParams<UsageCorrectionsQuery>,
    state: web::Data<RepairState>,
) -> Result<web::Json<UsageCorrectionPage>, Problem> {
    let (limit, after) = PageQuery::new(query.limit, query.cursor.clone()).checked::<Position>()?;
    let filter = CorrectionFilter {
        kind: chosen("kind", query.kind.as_deref(), &CorrectionKind::ALL, CorrectionKind::as_str)?,
        event: query.event_id,
        user: query.user_id,
        team: query.team_id,
        from: query.from,
        to: query.to,
    };
    let (rows, next) = state.0.list_corrections(&filter, after, limit).await.map_err(store_problem)?;
    Ok(web::Json(UsageCorrectionPage {
        data: rows.iter().map(UsageCorrection::to_api).collect(),
        next_cursor: next.map(|position| Cursor::encode(&position).into_string()),
    }))
}
