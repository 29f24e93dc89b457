//! `GET /api/v1/usage/quarantine`: what could not be booked.

use actix_web::{get, web};
use maas_types::Cursor;
use maas_web::{PageQuery, Problem, QueryParams, Require, permission::ReconcileUsage};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    quarantine_entry::QuarantinedUsage,
    repair::{RepairState, chosen, source_filter},
    store_problem,
};
use crate::{
    domain::{quarantine::QuarantineState, received::RefusalKind},
    store::quarantine::{Position, QuarantineFilter},
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct QuarantineQuery {
    /// Rows of a page, 1 to 1000; 50 when left out.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next_cursor` of the previous page.
    pub cursor: Option<String>,
    /// Only entries that are held, replayed or rejected. All when left out.
    #[param(example = "held")]
    pub state: Option<String>,
    /// Only entries of this kind: undecodable, invalid, outside_window, conflict or poisoned.
    #[param(example = "outside_window")]
    pub kind: Option<String>,
    /// Only entries of this producer.
    pub source: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct QuarantinePage {
    /// Newest first.
    pub data: Vec<QuarantinedUsage>,
    /// Null: this is the last page.
    pub next_cursor: Option<String>,
}

/// List the quarantine
///
/// Usage that could not be booked, kept byte for byte until somebody decides, and after that as evidence.
#[utoipa::path(
    operation_id = "listQuarantine",
    tag = "usage",
    params(QuarantineQuery),
    responses((status = 200, description = "A page of the quarantine", body = QuarantinePage))
)]
#[get("/api/v1/usage/quarantine")]
pub async fn list_quarantine(
    _require: Require<ReconcileUsage>,
    QueryParams(query): QueryParams<QuarantineQuery>,
    state: web::Data<RepairState>,
) -> Result<web::Json<QuarantinePage>, Problem> {
    let (limit, after) = PageQuery::new(query.limit, query.cursor.clone()).checked::<Position>()?;
    let filter = filter_from_api(query)?;
    let (entries, next) = state.0.list_quarantine(&filter, after, limit).await.map_err(store_problem)?;
    Ok(web::Json(QuarantinePage {
        data: entries.iter().map(QuarantinedUsage::to_api).collect(),
        next_cursor: next.map(|position| Cursor::encode(&position).into_string()),
    }))
}

fn filter_from_api(query: QuarantineQuery) -> Result<QuarantineFilter, Problem> {
    Ok(QuarantineFilter {
        state: chosen("state", query.state.as_deref(), &QuarantineState::ALL, QuarantineState::as_str)?,
        kind: chosen("kind", query.kind.as_deref(), &RefusalKind::ALL, RefusalKind::as_str)?,
        source: source_filter(query.source)?,
    })
}
