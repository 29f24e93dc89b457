//! `GET /api/v1/usage/requests`: the request log, metadata only.

use actix_web::{get, web};
use maas_types::{Cursor, EventId, KeyId, Money, Outcome, Timestamp, UserId};
use maas_web::{PageQuery, Problem, QueryParams, Require, permission::ReadUsage};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{get_usage_summary::period_problem, invalid_parameter, model_filter, store_problem};
use crate::{
    app::UsageState,
    domain::period::PeriodError,
    service::questions,
    store::{
        request_log::{LoggedRequest, Position, RequestFilter},
        summary::UsageFilter,
    },
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsageRequestsQuery {
    /// Rows of a page, 1 to 1000; 50 when left out.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next_cursor` of the previous page.
    pub cursor: Option<String>,
    /// Only requests admitted at this time or later.
    pub from: Option<Timestamp>,
    /// Only requests admitted before this time.
    pub to: Option<Timestamp>,
    /// Only requests with this key.
    pub key_id: Option<KeyId>,
    /// Only requests to the model of this name.
    #[param(example = "llama-3.1-8b-instruct")]
    pub model: Option<String>,
    /// Only requests of this user. Callers who see only their own usage get nothing for anybody else.
    pub user_id: Option<UserId>,
    /// Only requests that ended like this.
    #[param(example = "success")]
    pub outcome: Option<String>,
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
}

/// List requests
///
/// The request log, newest first: what was called when, how it ended and what it cost; never what was said. Callers see
/// their own requests, admins everybody's.
#[utoipa::path(
    operation_id = "listUsageRequests",
    tag = "usage",
    params(UsageRequestsQuery),
    responses((status = 200, description = "A page of the request log", body = UsageRequestPage))
)]
#[get("/api/v1/usage/requests")]
pub async fn list_usage_requests(
    state: web::Data<UsageState>,
    require: Require<ReadUsage>,
    QueryParams(query): QueryParams<UsageRequestsQuery>,
) -> Result<web::Json<UsageRequestPage>, Problem> {
    let page = PageQuery::new(query.limit, query.cursor.clone());
    let (limit, position) = page.checked::<Position>()?;
    let filter = filter_from_api(query, require.scope.owner())?;
    let answer = questions::list_requests(&state.database, &filter, position, limit).await;
    let (rows, next) = answer.map_err(store_problem)?;
    Ok(web::Json(UsageRequestPage {
        data: rows.into_iter().map(to_api).collect(),
        next_cursor: next.map(|position| Cursor::encode(&position).into_string()),
    }))
}

fn filter_from_api(query: UsageRequestsQuery, owner: Option<UserId>) -> Result<RequestFilter, Problem> {
    if query.from.zip(query.to).is_some_and(|(from, to)| from >= to) {
        return Err(period_problem(PeriodError::Empty));
    }
    let outcome = match query.outcome {
        None => None,
        Some(text) => Some(Outcome::parse(&text).ok_or_else(|| {
            let known: Vec<_> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
            invalid_parameter("outcome", "invalid_value", format!("must be one of {}", known.join(", ")))
        })?),
    };
    let usage = UsageFilter { owner, user: query.user_id, key: query.key_id, model: model_filter(query.model)? };
    Ok(RequestFilter { usage, from: query.from, to: query.to, outcome })
}

fn to_api(row: LoggedRequest) -> UsageRequest {
    UsageRequest {
        id: row.id,
        time: row.admitted_at,
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
    }
}
