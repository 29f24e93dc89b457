use actix_web::{HttpResponse, post, web};
use maas_revocation::owner::Confirmation;
use maas_web::{JsonBody, Problem, ProblemCode, attempts::TooManyAttempts, middleware::RequestContext};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::service::{KeyService, LeakReport, ReportLeakError};

// No Debug: it holds a secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportLeakedKeyRequest {
    /// The whole secret as it was found.
    #[schema(example = "sk-maas-4fT0bq9ZxK1mW7Rd_2qk0fHhXbL8vT3sJ6yCwE5nGzUaP9rDmKoQi7xYtBuVeSc1NlFgWjp")]
    key: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ReportedKey {
    /// How many proxies refuse it by now. Null: it had not worked any more.
    revocation: Option<Confirmation>,
}

/// Ends a secret that was found where it should not be. Needs no sign-in: whoever holds a whole secret may end it. At most
/// ten reports a minute per client address. During a rotation the key goes on working with its new secret when the one
/// before it was reported; otherwise the key is revoked.
#[utoipa::path(
    operation_id = "reportLeakedKey",
    tag = "keys",
    security(()),
    request_body = ReportLeakedKeyRequest,
    responses(
        (status = 200, description = "The secret does not work any more", body = ReportedKey),
        (status = 404, description = "It is no secret of a key here: malformed, never given out, or rotated out long ago"),
        (status = 429, description = "Too many reports; Retry-After says when to try again"),
    )
)]
#[post("/api/v1/keys/report-leak")]
pub async fn report_leaked_key(
    context: RequestContext,
    body: JsonBody<ReportLeakedKeyRequest>,
    service: web::Data<KeyService>,
) -> Result<HttpResponse, Problem> {
    let report =
        LeakReport { text: body.0.key.trim(), request_id: context.request_id, address: context.client_address };
    let stopped = service.report_leak(report).await?;
    Ok(HttpResponse::Ok().json(ReportedKey { revocation: stopped.confirmation }))
}

impl From<ReportLeakError> for Problem {
    fn from(error: ReportLeakError) -> Self {
        match error {
            ReportLeakError::TooMany(error) => too_many(error),
            ReportLeakError::Unknown => Self::with_detail(ProblemCode::NotFound, error.to_string()),
            ReportLeakError::Key(error) => error.into(),
        }
    }
}

fn too_many(error: TooManyAttempts) -> Problem {
    let seconds = u32::try_from(error.retry_after.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX);
    Problem::new(ProblemCode::TooManyAttempts).retry_after(seconds.max(1))
}
