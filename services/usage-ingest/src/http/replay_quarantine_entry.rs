//! `POST /api/v1/usage/quarantine/{id}/replay`: book it now.

use actix_web::{post, web};
use maas_types::input::check_text;
use maas_web::{OptionalBody, PathParam, Problem, Require, middleware::RequestContext, permission::ManageUsage};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    quarantine_entry::QuarantinedUsage,
    repair::{MAX_REASON_CHARACTERS, RepairState, invalid, repair_problem},
};
use crate::{
    domain::quarantine::QuarantineId,
    service::replay::{BeyondRetention, ReplayInput},
};

/// What to do where the raw events of the day are gone, so that nobody can see whether it is booked.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BeyondRetention)]
pub enum BeyondRetentionView {
    #[default]
    Refuse,
    /// You know that it was never booked: book it as a correction of kind `backfill`.
    Backfill,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReplayQuarantineEntry {
    /// At most 500 characters.
    #[schema(example = "journal of the node that was away in October", max_length = 500)]
    reason: String,
    #[schema(inline)]
    beyond_retention: BeyondRetentionView,
}

/// Replay a quarantine entry
///
/// Books it under every rule but the age of its admission, or says why it cannot be booked. Replaying it again changes
/// nothing and answers what it came to the first time.
#[utoipa::path(
    operation_id = "replayQuarantineEntry",
    tag = "usage",
    params(("id" = QuarantineId, Path, description = "The entry")),
    request_body = Option<ReplayQuarantineEntry>,
    responses(
        (status = 200, description = "The entry, replayed; `decision.booked_as` says what it came to", body = QuarantinedUsage),
        (status = 404, description = "No such entry"),
        (status = 409, description = "It was rejected before, or it cannot be booked; `detail` says why")
    )
)]
#[post("/api/v1/usage/quarantine/{id}/replay")]
pub async fn replay_quarantine_entry(
    require: Require<ManageUsage>,
    context: RequestContext,
    PathParam(id): PathParam<QuarantineId>,
    OptionalBody(body): OptionalBody<ReplayQuarantineEntry>,
    state: web::Data<RepairState>,
) -> Result<web::Json<QuarantinedUsage>, Problem> {
    let input = input_from_api(body.reason, body.beyond_retention, false)?;
    let replayed = state.0.replay(id, &input, &context.actor(&require.caller)).await;
    Ok(web::Json(QuarantinedUsage::to_api(&replayed.map_err(repair_problem)?)))
}

pub fn input_from_api(reason: String, beyond: BeyondRetentionView, dry_run: bool) -> Result<ReplayInput, Problem> {
    let mut faults = Vec::new();
    check_text("/reason", &reason, MAX_REASON_CHARACTERS, &mut faults);
    if !faults.is_empty() {
        return Err(invalid(faults));
    }
    let beyond_retention = match beyond {
        BeyondRetentionView::Refuse => BeyondRetention::Refuse,
        BeyondRetentionView::Backfill => BeyondRetention::Backfill,
    };
    Ok(ReplayInput { beyond_retention, reason, dry_run })
}
