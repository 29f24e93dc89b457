//! `GET /api/v1/usage/quarantine/{id}`: one entry, with what can be read of it.

use actix_web::{get, web};
use maas_web::{PathParam, Problem, Require, permission::ReconcileUsage};

use super::{
    quarantine_entry::QuarantinedUsageDetails,
    repair::{RepairState, repair_problem},
};
use crate::domain::quarantine::QuarantineId;

/// Get a quarantine entry
///
/// With the events in it as they claim to be, as far as this version can read them.
#[utoipa::path(
    operation_id = "getQuarantineEntry",
    tag = "usage",
    params(("id" = QuarantineId, Path, description = "The entry")),
    responses(
        (status = 200, description = "The entry and its events", body = QuarantinedUsageDetails),
        (status = 404, description = "No such entry")
    )
)]
#[get("/api/v1/usage/quarantine/{id}")]
pub async fn get_quarantine_entry(
    _require: Require<ReconcileUsage>,
    PathParam(id): PathParam<QuarantineId>,
    state: web::Data<RepairState>,
) -> Result<web::Json<QuarantinedUsageDetails>, Problem> {
    let entry = state.0.quarantine_entry(id).await.map_err(repair_problem)?;
    Ok(web::Json(QuarantinedUsageDetails::to_api(&entry)))
}
