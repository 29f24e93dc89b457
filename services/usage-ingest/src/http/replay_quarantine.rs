//! `POST /api/v1/usage/quarantine/replay`: book many now.

use actix_web::{post, web};
use maas_types::Cursor;
use maas_web::{JsonBody, PageQuery, Problem, Require, middleware::RequestContext, permission::ManageUsage};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    repair::{RepairState, chosen, repair_problem, source_filter},
    replay_quarantine_entry::{BeyondRetentionView, input_from_api},
};
use crate::{
    domain::{
        quarantine::{BookedAs, QuarantineId},
        received::RefusalKind,
    },
    service::replay::ReplayOutcome,
    store::quarantine::{Position, QuarantineFilter},
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayQuarantine {
    /// undecodable, invalid, outside_window, conflict or poisoned.
    #[schema(example = "outside_window")]
    kind: String,
    /// Only entries of this producer.
    #[serde(default)]
    #[schema(example = json!(null))]
    source: Option<String>,
    /// At most 500 characters.
    #[serde(default)]
    #[schema(example = "journal of the node that was away in October", max_length = 500)]
    reason: String,
    #[serde(default)]
    #[schema(inline)]
    beyond_retention: BeyondRetentionView,
    /// Says what would happen and changes nothing.
    #[serde(default)]
    #[schema(example = true)]
    dry_run: bool,
    /// Entries of this call, 1 to 1000; 50 when left out.
    #[serde(default)]
    #[schema(example = 200, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next_cursor` of the previous call.
    #[serde(default)]
    #[schema(example = json!(null))]
    cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct QuarantineReplay {
    pub dry_run: bool,
    /// Entries that were (or would be) replayed.
    #[schema(example = 198)]
    pub replayed: usize,
    /// Entries that stay held.
    #[schema(example = 2)]
    pub refused: usize,
    /// Newest first.
    pub data: Vec<QuarantineReplayResult>,
    /// Null: there are no more held entries of this kind.
    pub next_cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct QuarantineReplayResult {
    pub id: QuarantineId,
    /// event, correction, backfill or duplicate; null when it was refused.
    #[schema(example = "event")]
    pub booked_as: Option<&'static str>,
    /// Why it was refused; null when it was replayed.
    #[schema(example = json!(null))]
    pub refused: Option<String>,
}

/// Replay many quarantine entries
///
/// A page of the held entries of one kind, each booked by itself: what cannot be booked stays held and does not hinder
/// the others.
#[utoipa::path(
    operation_id = "replayQuarantine",
    tag = "usage",
    request_body = ReplayQuarantine,
    responses((status = 200, description = "What happened to each", body = QuarantineReplay))
)]
#[post("/api/v1/usage/quarantine/replay")]
pub async fn replay_quarantine(
    require: Require<ManageUsage>,
    context: RequestContext,
    JsonBody(body): JsonBody<ReplayQuarantine>,
    state: web::Data<RepairState>,
) -> Result<web::Json<QuarantineReplay>, Problem> {
    let (limit, after) = PageQuery::new(body.limit, body.cursor).checked::<Position>()?;
    let kind = chosen("kind", Some(&body.kind), &RefusalKind::ALL, RefusalKind::as_str)?;
    let filter = QuarantineFilter { state: None, kind, source: source_filter(body.source)? };
    let input = input_from_api(body.reason, body.beyond_retention, body.dry_run)?;
    let replayed = state.0.replay_many(&filter, after, limit, &input, &context.actor(&require.caller)).await;
    let (outcomes, next) = replayed.map_err(repair_problem)?;
    let refused = outcomes.iter().filter(|outcome| outcome.result.is_err()).count();
    Ok(web::Json(QuarantineReplay {
        dry_run: input.dry_run,
        replayed: outcomes.len() - refused,
        refused,
        data: outcomes.iter().map(to_api).collect(),
        next_cursor: next.map(|position| Cursor::encode(&position).into_string()),
    }))
}

fn to_api(outcome: &ReplayOutcome) -> QuarantineReplayResult {
    QuarantineReplayResult {
        id: outcome.id,
        booked_as: outcome.result.as_ref().ok().copied().flatten().map(BookedAs::as_str),
        refused: outcome.result.as_ref().err().map(ToString::to_string),
    }
}
