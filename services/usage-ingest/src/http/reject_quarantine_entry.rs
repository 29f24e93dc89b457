//! `POST /api/v1/usage/quarantine/{id}/reject`: never to be booked.

use actix_web::{post, web};
use maas_web::{JsonBody, PathParam, Problem, Require, middleware::RequestContext, permission::ManageUsage};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    quarantine_entry::QuarantinedUsage,
    repair::{RepairState, check_reason, invalid, repair_problem},
};
use crate::domain::quarantine::QuarantineId;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RejectQuarantineEntry {
    /// 1 to 500 characters.
    #[schema(example = "load test of a proxy that is not ours", min_length = 1, max_length = 500)]
    reason: String,
}

/// Reject a quarantine entry
///
/// Decides that it is never booked. The entry stays, with who decided and why.
#[utoipa::path(
    operation_id = "rejectQuarantineEntry",
    tag = "usage",
    params(("id" = QuarantineId, Path, description = "The entry")),
    request_body = RejectQuarantineEntry,
    responses(
        (status = 200, description = "The entry, rejected", body = QuarantinedUsage),
        (status = 404, description = "No such entry"),
        (status = 409, description = "It was replayed before")
    )
)]
#[post("/api/v1/usage/quarantine/{id}/reject")]
pub async fn reject_quarantine_entry(
    require: Require<ManageUsage>,
    context: RequestContext,
    PathParam(id): PathParam<QuarantineId>,
    JsonBody(body): JsonBody<RejectQuarantineEntry>,
    state: web::Data<RepairState>,
) -> Result<web::Json<QuarantinedUsage>, Problem> {
    let mut faults = Vec::new();
    check_reason(&body.reason, &mut faults);
    if !faults.is_empty() {
        return Err(invalid(faults));
    }
    let rejected = state.0.reject(id, &body.reason, &context.actor(&require.caller)).await;
    Ok(web::Json(QuarantinedUsage::to_api(&rejected.map_err(repair_problem)?)))
}
