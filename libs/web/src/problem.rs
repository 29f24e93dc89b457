//! Errors of the control plane as RFC 9457 `application/problem+json`: the one place that turns errors into answers.

use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

macro_rules! problem_codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $status:literal, $title:literal;)*) => {
        /// The stable codes of the control plane, each with its status.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemCode { $($(#[$doc])* $variant,)* }

        impl ProblemCode {
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

problem_codes! {
    InvalidInput = "invalid_input", 400, "The request has faults";
    InvalidJson = "invalid_json", 400, "The body is not valid JSON";
    InvalidCredentials = "invalid_credentials", 401, "User name or password is wrong";
    NotAuthenticated = "not_authenticated", 401, "Sign in or send a valid access token";
    PermissionDenied = "permission_denied", 403, "Your role does not allow this";
    ApiKeyNotAllowed = "api_key_not_allowed", 403, "API keys call models; they cannot manage anything";
    CsrfRefused = "csrf_refused", 403, "The request does not come from the portal";
    PasswordChangeRequired = "password_change_required", 403, "Change the one-time password first";
    NotFound = "not_found", 404, "There is no such thing, or you may not know of it";
    MethodNotAllowed = "method_not_allowed", 405, "This path does not take this method";
    Conflict = "conflict", 409, "The change conflicts with what is there";
    AlreadyExists = "already_exists", 409, "The name is taken";
    IdempotencyReplayed = "idempotency_replayed", 409, "This request was carried out before";
    EtagMismatch = "etag_mismatch", 412, "Somebody changed it since you read it";
    BodyTooLarge = "body_too_large", 413, "The body is too large";
    UnsupportedMediaType = "unsupported_media_type", 415, "Send application/json";
    TooManyAttempts = "too_many_attempts", 429, "Too many attempts, wait a little";
    Internal = "internal_error", 500, "Something went wrong on our side";
    IdentityUnavailable = "identity_unavailable", 503, "Who you are cannot be checked right now";
    Unavailable = "unavailable", 503, "Not available right now, try again";
}

/// One fault of the input: where it is, a stable code, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldFault {
    /// RFC 6901 pointer into the body, or `?name` for a query parameter.
    #[schema(example = "/models")]
    pub pointer: String,
    #[schema(example = "empty")]
    pub code: String,
    #[schema(example = "name at least one model, or leave the field out")]
    pub detail: String,
}

impl FieldFault {
    pub fn new(pointer: impl Into<String>, code: &str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code: code.to_owned(), detail: detail.into() }
    }
}

/// An error on its way to the client. The cause stays here for the log; the client sees code, title and detail.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}", .code.code(), .detail.as_deref().unwrap_or(.code.title()))]
pub struct Problem {
    pub code: ProblemCode,
    /// For the client; never set on a 5xx.
    pub detail: Option<String>,
    pub faults: Vec<FieldFault>,
    pub retry_after_seconds: Option<u32>,
    #[source]
    pub cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The body on the wire.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Where the code is explained.
    #[serde(rename = "type")]
    #[schema(example = "/docs/errors#invalid_input")]
    pub kind: String,
    #[schema(example = "The request has faults")]
    pub title: &'static str,
    #[schema(example = 400)]
    pub status: u16,
    /// Stable; decide on this.
    #[schema(example = "invalid_input")]
    pub code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    #[schema(example = "req_019a9c3b5f0e7c42a1d38b6f0c9e4a57")]
    pub request_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldFault>,
}

impl Problem {
    pub fn new(code: ProblemCode) -> Self {
        Self { code, detail: None, faults: Vec::new(), retry_after_seconds: None, cause: None }
    }

    pub fn with_detail(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..Self::new(code) }
    }

    /// 400 with every fault found.
    pub fn invalid(faults: Vec<FieldFault>) -> Self {
        Self { faults, ..Self::new(ProblemCode::InvalidInput) }
    }

    pub fn not_found(what: &str) -> Self {
        Self::with_detail(ProblemCode::NotFound, format!("no such {what}"))
    }

    /// 500; the cause is logged once, at the edge, and not shown.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), ..Self::new(ProblemCode::Internal) }
    }

    /// 503 with Retry-After; the cause is logged once, at the edge, and not shown.
    pub fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), retry_after_seconds: Some(2), ..Self::new(ProblemCode::Unavailable) }
    }

    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// The wire form, once the request id is known.
    pub fn body(&self, request_id: String) -> ProblemBody {
        ProblemBody {
            kind: format!("/docs/errors#{}", self.code.code()),
            title: self.code.title(),
            status: self.code.status(),
            code: self.code.code(),
            detail: self.detail.clone(),
            request_id,
            errors: self.faults.clone(),
        }
    }

    /// What is said besides the body.
    pub(crate) fn add_headers(&self, response: &mut HttpResponseBuilder) {
        if let Some(seconds) = self.retry_after_seconds {
            response.insert_header(("retry-after", seconds.to_string()));
        }
        if self.code.status() == 401 {
            response.insert_header(("www-authenticate", "Bearer"));
        }
    }

    /// The error with its causes on one line, for the log.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        text
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Without a request id; the middleware of the control plane writes the final body, with it.
    fn error_response(&self) -> HttpResponse {
        render(self, String::new())
    }
}

/// The complete answer.
pub fn render(problem: &Problem, request_id: String) -> HttpResponse {
    let mut response = HttpResponse::build(problem.status_code());
    problem.add_headers(&mut response);
    response.content_type("application/problem+json").json(problem.body(request_id))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_errors_lists_exactly_these_codes() {
        let page = include_str!("../../../docs/errors.md");
        let table = page.split("\n## Control plane\n").nth(1).unwrap().split("\n## ").next().unwrap();
        let rows = table.lines().filter(|line| line.starts_with("| <a id=") || line.starts_with("| `"));
        // Codes that the data plane has as well keep their anchor there.
        let listed: Vec<&str> = rows.map(|row| &row[row.find('`').unwrap()..]).collect();
        assert_eq!(listed.len(), ProblemCode::ALL.len());
        for (row, code) in listed.iter().zip(ProblemCode::ALL) {
            let (text, status) = (code.code(), code.status());
            assert!(row.starts_with(&format!("`{text}` | {status} |")), "{text} {status}, the page says {row}");
            assert_eq!(page.matches(&format!("<a id=\"{text}\"></a>")).count(), 1, "the anchor of {text}");
        }
    }
}
