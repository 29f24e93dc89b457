//! `POST /api/v1/usage/corrections`: change what is booked, or book what has no event.

use actix_web::{HttpRequest, HttpResponse, post, web};
use maas_web::{JsonBody, Problem, Require, middleware::RequestContext, permission::ManageUsage};

use super::{
    correction::UsageCorrection,
    correction_body::{CreateUsageCorrection, input_from_api},
    repair::{RepairState, repair_problem},
};

/// Correct usage
///
/// Books a signed row beside the events, with its reason and who booked it; nothing that is booked is ever edited. A
/// correction of an event is booked to where that event's usage is, and cannot take away more than is there.
#[utoipa::path(
    operation_id = "createUsageCorrection",
    tag = "usage",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "Makes the request repeatable: with the same value it is booked once, for ever. Needed unless the body has an id")),
    request_body = CreateUsageCorrection,
    responses(
        (status = 201, description = "The correction", body = UsageCorrection),
        (status = 200, description = "It was booked before", body = UsageCorrection),
        (status = 409, description = "Another correction is booked under this id or Idempotency-Key, or a sum would leave its range")
    )
)]
#[post("/api/v1/usage/corrections")]
pub async fn create_usage_correction(
    require: Require<ManageUsage>,
    context: RequestContext,
    request: HttpRequest,
    JsonBody(body): JsonBody<CreateUsageCorrection>,
    state: web::Data<RepairState>,
) -> Result<HttpResponse, Problem> {
    let key = request.headers().get("idempotency-key").map(|value| value.as_bytes());
    let input = input_from_api(body, key, require.caller.user_id, state.0.settings.currency)?;
    let booked = state.0.record_correction(&input, &context.actor(&require.caller)).await;
    let (booked, is_new) = booked.map_err(repair_problem)?;
    let mut answer = if is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(answer.json(UsageCorrection::to_api(&booked)))
}
