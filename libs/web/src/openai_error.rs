//! Errors under `/maas-api` in OpenAI's shape: clients of that interface are model clients and read no other.

use actix_web::{HttpResponse, ResponseError as _, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;

/// What begins a path of that interface.
pub const PREFIX: &str = "/maas-api/";

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CompatibilityError)]
pub struct OpenAiErrorBody {
    pub error: OpenAiError,
}

/// The same members as errors of the data plane.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CompatibilityErrorDetails)]
pub struct OpenAiError {
    #[schema(example = "expiration: must be at least 10 minutes")]
    pub message: String,
    #[serde(rename = "type")]
    #[schema(example = "invalid_request_error")]
    pub kind: &'static str,
    /// The field or parameter that is at fault, where there is one.
    #[schema(example = "expiration")]
    pub param: Option<String>,
    /// Stable; decide on this.
    #[schema(example = "invalid_input")]
    pub code: &'static str,
    #[schema(example = "req_019a9c3b5f0e7c42a1d38b6f0c9e4a57")]
    pub request_id: String,
    #[schema(example = "/docs/errors#invalid_input")]
    pub doc_url: String,
}

impl OpenAiErrorBody {
    fn of(problem: &Problem, request_id: String) -> Self {
        let fault = problem.faults.first();
        let param = fault.map(|fault| fault.pointer.trim_start_matches(['/', '?']).to_owned());
        let of_fault = fault.zip(param.as_ref()).map(|(fault, param)| format!("{param}: {}", fault.detail));
        let title = || problem.code.title().to_owned();
        let error = OpenAiError {
            message: of_fault.or_else(|| problem.detail.clone()).unwrap_or_else(title),
            kind: kind(problem.status_code()),
            param,
            code: problem.code.code(),
            request_id,
            doc_url: format!("/docs/errors#{}", problem.code.code()),
        };
        Self { error }
    }
}

fn kind(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}

/// The complete answer.
pub fn render(problem: &Problem, request_id: String) -> HttpResponse {
    let mut response = HttpResponse::build(problem.status_code());
    problem.add_headers(&mut response);
    response.json(OpenAiErrorBody::of(problem, request_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{FieldFault, ProblemCode};

    #[test]
    fn the_first_fault_is_the_message() {
        let problem =
            Problem::invalid(vec![FieldFault::new("/expiration", "too_short", "must be at least 10 minutes")]);
        let error = OpenAiErrorBody::of(&problem, "req_1".to_owned()).error;
        assert_eq!(error.message, "expiration: must be at least 10 minutes");
        assert_eq!((error.kind, error.param.as_deref()), ("invalid_request_error", Some("expiration")));
        assert_eq!((error.code, error.doc_url.as_str()), ("invalid_input", "/docs/errors#invalid_input"));
    }

    #[test]
    fn the_kind_follows_the_status() {
        for (code, expected) in [
            (ProblemCode::NotAuthenticated, "authentication_error"),
            (ProblemCode::ApiKeyNotAllowed, "permission_error"),
            (ProblemCode::NotFound, "not_found_error"),
            (ProblemCode::TooManyAttempts, "rate_limit_error"),
            (ProblemCode::IdentityUnavailable, "server_error"),
        ] {
            assert_eq!(OpenAiErrorBody::of(&Problem::new(code), String::new()).error.kind, expected);
        }
    }
}
