//! `GET /api/v1/usage/requests`: the request log, metadata only.

use actix_web::{get, web};
use maas_types::{Cursor, EventId, KeyId, Money, TeamId, Timestamp, UserId};
use maas_web::{PageQuery, Problem, QueryParams, Require, permission::ReadUsage};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    choice, invalid_parameter, period_problem, store_problem,
    usage_query::{UsageFilterQuery, is_a_name},
};
use crate::{
    app::UsageState,
    domain::{filter::UsageFilter, period::PeriodError},
    service::questions::{self, RequestPage},
    store::request_log::{LoggedRequest, Position, RequestFilter, StatusClass},
};

/// Ids that can be asked for at once.
const MOST_REQUEST_IDS: usize = 100;
const STATUS_CLASSES: [(&str, StatusClass); 6] = [
    ("none", StatusClass::None),
    ("1xx", StatusClass::Hundreds(1)),
    ("2xx", StatusClass::Hundreds(2)),
    ("3xx", StatusClass::Hundreds(3)),
    ("4xx", StatusClass::Hundreds(4)),
    ("5xx", StatusClass::Hundreds(5)),
];

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct UsageRequestsQuery {
    /// Only requests admitted at this time or later.
    pub from: Option<Timestamp>,
    /// Only requests admitted before this time.
    pub to: Option<Timestamp>,
    /// Only requests that the client got such a status for: none (it left before), 1xx, 2xx, 3xx, 4xx, 5xx.
    #[param(example = json!(["5xx"]))]
    pub status: Vec<String>,
    /// Only the requests with this `x-request-id`.
    #[param(example = json!(["req_019a9c3b5f0e7c42a1d38b6f0c9e4a57"]))]
    pub request_id: Vec<String>,
    /// Only streamed requests, or only others.
    pub stream: Option<bool>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UsageRequestPage {
    /// Newest first.
    pub data: Vec<UsageRequest>,
    /// Null: this is the last page.
    pub next_cursor: Option<String>,
}

/// One admitted request.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageRequest {
    pub id: EventId,
    /// When it was admitted.
    pub time: Timestamp,
    /// The `x-request-id` of its answer.
    #[schema(example = "req_019a9c3b5f0e7c42a1d38b6f0c9e4a57")]
    pub request_id: String,
    pub user_id: UserId,
    /// Null: it is not booked to a team.
    pub team_id: Option<TeamId>,
    #[schema(example = "CC-4711")]
    pub cost_centre: String,
    /// Null: it came with an access token instead of a key.
    pub key_id: Option<KeyId>,
    #[schema(example = "llama-3.1-8b-instruct")]
    pub model: String,
    /// Empty when it never got to an upstream.
    #[schema(example = "gpu-a")]
    pub upstream: String,
    #[schema(example = "chat")]
    pub operation: &'static str,
    pub stream: bool,
    #[schema(example = "success")]
    pub outcome: &'static str,
    /// The status that the client got; 0 when it left before one was sent.
    #[schema(example = 200)]
    pub status: u16,
    /// How the tokens are known: exact, partial, estimated, none.
    #[schema(example = "exact")]
    pub quality: &'static str,
    #[schema(example = 412)]
    pub input_tokens: u64,
    #[schema(example = 96)]
    pub output_tokens: u64,
    pub cost: Money,
    /// Null when nothing was sent.
    #[schema(example = 83)]
    pub time_to_first_token_ms: Option<u64>,
    #[schema(example = 1240)]
    pub duration_ms: Option<u64>,
    /// Corrections say more about it; sums hold them, this row does not.
    pub corrected: bool,
}

/// List requests
///
/// The request log, newest first: what was called when, how it ended and what it cost; never what was said. Requests
/// are held for a while only. Callers see their own requests and those of the teams they own, admins everybody's.
#[utoipa::path(
    operation_id = "listUsageRequests",
    tag = "usage",
    params(UsageRequestsQuery, UsageFilterQuery, PageQuery),
    responses((status = 200, description = "A page of the request log", body = UsageRequestPage))
)]
#[get("/api/v1/usage/requests")]
pub async fn list_usage_requests(
    state: web::Data<UsageState>,
    require: Require<ReadUsage>,
    QueryParams((query, filter, page)): QueryParams<(UsageRequestsQuery, UsageFilterQuery, PageQuery)>,
) -> Result<web::Json<UsageRequestPage>, Problem> {
    let (limit, position) = page.checked::<Position>()?;
    let filter = filter_from_api(query, filter.checked(&require)?)?;
    let answer = questions::list_requests(&state.database, &filter, position, limit).await;
    let RequestPage { rows, corrected, next } = answer.map_err(store_problem)?;
    Ok(web::Json(UsageRequestPage {
        data: rows.into_iter().map(|row| to_api(corrected.contains(&row.id), row)).collect(),
        next_cursor: next.map(|position| Cursor::encode(&position).into_string()),
    }))
}

fn filter_from_api(query: UsageRequestsQuery, usage: UsageFilter) -> Result<RequestFilter, Problem> {
    if query.from.zip(query.to).is_some_and(|(from, to)| from >= to) {
        return Err(period_problem(PeriodError::Empty));
    }
    if query.request_id.len() > MOST_REQUEST_IDS || !query.request_id.iter().all(|id| is_a_name(id)) {
        let detail = format!("at most {MOST_REQUEST_IDS} ids without control characters");
        return Err(invalid_parameter("request_id", "invalid_value", detail));
    }
    let statuses = query.status.iter().map(|class| status_class(class)).collect::<Result<_, _>>()?;
    let UsageRequestsQuery { from, to, request_id, stream, .. } = query;
    Ok(RequestFilter { usage, from, to, statuses, request_ids: request_id, stream })
}

fn status_class(text: &str) -> Result<StatusClass, Problem> {
    let found = STATUS_CLASSES.iter().find(|(name, _)| *name == text).map(|(_, class)| *class);
    found.ok_or_else(|| choice::not_one_of("status", STATUS_CLASSES.iter().map(|(name, _)| *name)))
}

fn to_api(corrected: bool, row: LoggedRequest) -> UsageRequest {
    UsageRequest {
        id: row.id,
        time: row.admitted_at,
        request_id: row.request_id,
        user_id: row.user,
        team_id: row.team,
        cost_centre: row.cost_centre,
        key_id: row.key,
        model: row.model,
        upstream: row.upstream,
        operation: row.operation.as_str(),
        stream: row.stream,
        outcome: row.outcome.as_str(),
        status: row.status,
        quality: row.quality.as_str(),
        input_tokens: row.input_tokens,
        output_tokens: row.output_tokens,
        cost: row.cost,
        time_to_first_token_ms: row.first_byte_us.map(|micros| micros / 1_000),
        duration_ms: row.completed_us.map(|micros| micros / 1_000),
        corrected,
    }
}
