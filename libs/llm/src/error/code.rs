//! The one list of the data plane's error codes. To add one: a variant, its place in `ALL`, its row in `row`.

use maas_types::Outcome;

/// OpenAI's `type` of an error: the class that client libraries show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorType {
    InvalidRequest,
    Authentication,
    Permission,
    NotFound,
    RateLimit,
    InsufficientQuota,
    Server,
}

impl ErrorType {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request_error",
            Self::Authentication => "authentication_error",
            Self::Permission => "permission_error",
            Self::NotFound => "not_found_error",
            Self::RateLimit => "rate_limit_error",
            Self::InsufficientQuota => "insufficient_quota",
            Self::Server => "server_error",
        }
    }
}

/// Every reason for which the data plane refuses or fails a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApiErrorCode {
    InvalidApiKey,
    ExpiredApiKey,
    RevokedApiKey,
    KeyBlocked,
    AddressNotAllowed,
    OperationNotAllowed,
    KeyStateUnavailable,
    ModelNotFound,
    ModelNotAllowed,
    ModelUnavailable,
    ResponseNotFound,
    InsufficientQuota,
    RequestExceedsBudget,
    RateLimitExceeded,
    ConcurrencyLimitExceeded,
    LimitsUnavailable,
    InvalidRequest,
    UnsupportedParameter,
    ContextLengthExceeded,
    RequestTooLarge,
    UnsupportedEncoding,
    UnsupportedMediaType,
    UnknownUrl,
    MethodNotAllowed,
    UpstreamAuthFailed,
    UpstreamRateLimited,
    UpstreamError,
    UpstreamTimeout,
    Overloaded,
    Draining,
    MeteringUnavailable,
    InternalError,
}

struct Row {
    status: u16,
    code: &'static str,
    error_type: ErrorType,
    message: &'static str,
    retry_after: Option<u32>,
    outcome: Outcome,
}

const fn row(
    status: u16,
    code: &'static str,
    error_type: ErrorType,
    outcome: Outcome,
    retry_after: Option<u32>,
    message: &'static str,
) -> Row {
    Row { status, code, error_type, message, retry_after, outcome }
}

impl ApiErrorCode {
    pub const ALL: [Self; 32] = [
        Self::InvalidApiKey,
        Self::ExpiredApiKey,
        Self::RevokedApiKey,
        Self::KeyBlocked,
        Self::AddressNotAllowed,
        Self::OperationNotAllowed,
        Self::KeyStateUnavailable,
        Self::ModelNotFound,
        Self::ModelNotAllowed,
        Self::ModelUnavailable,
        Self::ResponseNotFound,
        Self::InsufficientQuota,
        Self::RequestExceedsBudget,
        Self::RateLimitExceeded,
        Self::ConcurrencyLimitExceeded,
        Self::LimitsUnavailable,
        Self::InvalidRequest,
        Self::UnsupportedParameter,
        Self::ContextLengthExceeded,
        Self::RequestTooLarge,
        Self::UnsupportedEncoding,
        Self::UnsupportedMediaType,
        Self::UnknownUrl,
        Self::MethodNotAllowed,
        Self::UpstreamAuthFailed,
        Self::UpstreamRateLimited,
        Self::UpstreamError,
        Self::UpstreamTimeout,
        Self::Overloaded,
        Self::Draining,
        Self::MeteringUnavailable,
        Self::InternalError,
    ];

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        self.row().status
    }

    /// The stable text that programs compare.
    pub const fn code(self) -> &'static str {
        self.row().code
    }

    pub const fn error_type(self) -> ErrorType {
        self.row().error_type
    }

    /// What to say when nothing more exact is known.
    pub const fn default_message(self) -> &'static str {
        self.row().message
    }

    /// Seconds for `Retry-After` when nothing more exact is known; `None` if the header is not sent.
    pub const fn retry_after(self) -> Option<u32> {
        self.row().retry_after
    }

    /// Whether the answer carries `x-should-retry: false`: libraries would otherwise retry a 429 that cannot get better.
    pub const fn forbids_retry(self) -> bool {
        matches!(self, Self::InsufficientQuota | Self::RequestExceedsBudget)
    }

    /// The field at fault where it is always the same one.
    pub const fn default_param(self) -> Option<&'static str> {
        match self {
            Self::ModelNotFound | Self::ModelNotAllowed => Some("model"),
            Self::ContextLengthExceeded => Some("messages"),
            _ => None,
        }
    }

    pub const fn outcome(self) -> Outcome {
        self.row().outcome
    }

    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }

    #[rustfmt::skip]
    const fn row(self) -> Row {
        use ErrorType::{Authentication, InvalidRequest, NotFound, Permission, RateLimit, Server};
        match self {
            Self::InvalidApiKey => row(401, "invalid_api_key", Authentication, Outcome::AuthDenied, None, "The API key is missing or not valid."),
            Self::ExpiredApiKey => row(401, "expired_api_key", Authentication, Outcome::AuthDenied, None, "The API key has expired."),
            Self::RevokedApiKey => row(401, "revoked_api_key", Authentication, Outcome::AuthDenied, None, "The API key was revoked."),
            Self::KeyBlocked => row(403, "key_blocked", Permission, Outcome::AuthDenied, None, "The API key is blocked."),
            Self::AddressNotAllowed => row(403, "address_not_allowed", Permission, Outcome::AuthDenied, None, "The API key may not be used from this address."),
            Self::OperationNotAllowed => row(403, "operation_not_allowed", Permission, Outcome::AuthDenied, None, "The API key may not be used for this operation."),
            Self::KeyStateUnavailable => row(503, "key_state_unavailable", Server, Outcome::Unavailable, Some(5), "The state of the API key cannot be confirmed at the moment."),
            Self::ModelNotFound => row(404, "model_not_found", NotFound, Outcome::ClientError, None, "The model does not exist or is not visible to this API key."),
            Self::ModelNotAllowed => row(403, "model_not_allowed", Permission, Outcome::AuthDenied, None, "This API key may not use the model; ask its owner or an administrator for access."),
            Self::ModelUnavailable => row(503, "model_unavailable", Server, Outcome::Unavailable, Some(5), "No upstream that serves the model is available at the moment."),
            Self::ResponseNotFound => row(404, "response_not_found", NotFound, Outcome::ClientError, None, "There is no such response, or it belongs to somebody else."),
            Self::InsufficientQuota => row(429, "insufficient_quota", ErrorType::InsufficientQuota, Outcome::QuotaExceeded, None, "The budget is used up."),
            Self::RequestExceedsBudget => row(429, "request_exceeds_budget", ErrorType::InsufficientQuota, Outcome::QuotaExceeded, None, "The request may cost more than what is left of the budget."),
            Self::RateLimitExceeded => row(429, "rate_limit_exceeded", RateLimit, Outcome::RateLimited, Some(1), "Too many requests or tokens in a short time."),
            Self::ConcurrencyLimitExceeded => row(429, "concurrency_limit_exceeded", RateLimit, Outcome::RateLimited, Some(1), "Too many requests are open at the same time."),
            Self::LimitsUnavailable => row(503, "limits_unavailable", Server, Outcome::Unavailable, Some(5), "Limits cannot be checked at the moment."),
            Self::InvalidRequest => row(400, "invalid_request", InvalidRequest, Outcome::ClientError, None, "The request is not valid."),
            Self::UnsupportedParameter => row(400, "unsupported_parameter", InvalidRequest, Outcome::ClientError, None, "A parameter is not supported for this model."),
            Self::ContextLengthExceeded => row(400, "context_length_exceeded", InvalidRequest, Outcome::ClientError, None, "The request is longer than the model's context."),
            Self::RequestTooLarge => row(413, "request_too_large", InvalidRequest, Outcome::ClientError, None, "The request body is too large."),
            Self::UnsupportedEncoding => row(415, "unsupported_encoding", InvalidRequest, Outcome::ClientError, None, "The content encoding is not supported; use gzip, br, zstd or none."),
            Self::UnsupportedMediaType => row(415, "unsupported_media_type", InvalidRequest, Outcome::ClientError, None, "The media type is not supported; send application/json."),
            Self::UnknownUrl => row(404, "unknown_url", NotFound, Outcome::ClientError, None, "There is nothing at this path."),
            Self::MethodNotAllowed => row(405, "method_not_allowed", InvalidRequest, Outcome::ClientError, None, "This path does not take this method."),
            Self::UpstreamAuthFailed => row(502, "upstream_auth_failed", Server, Outcome::UpstreamError, None, "The upstream refused the platform's own credential."),
            Self::UpstreamRateLimited => row(429, "upstream_rate_limited", RateLimit, Outcome::UpstreamError, Some(5), "Every upstream of the model is limiting requests."),
            Self::UpstreamError => row(502, "upstream_error", Server, Outcome::UpstreamError, None, "The upstream failed to answer the request."),
            Self::UpstreamTimeout => row(504, "upstream_timeout", Server, Outcome::UpstreamTimeout, None, "The upstream did not answer in time."),
            Self::Overloaded => row(503, "overloaded", Server, Outcome::Unavailable, Some(1), "The platform is overloaded."),
            Self::Draining => row(503, "draining", Server, Outcome::Unavailable, Some(1), "This instance is shutting down."),
            Self::MeteringUnavailable => row(503, "metering_unavailable", Server, Outcome::Unavailable, Some(5), "Usage cannot be recorded at the moment."),
            Self::InternalError => row(500, "internal_error", Server, Outcome::InternalError, None, "The request failed inside the platform."),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_read_back() {
        for code in ApiErrorCode::ALL {
            assert_eq!(ApiErrorCode::parse(code.code()), Some(code));
        }
    }

    #[test]
    fn unavailability_says_when_to_come_back_and_spent_budgets_do_not() {
        for code in ApiErrorCode::ALL {
            assert!(code.status() != 503 || code.retry_after().is_some(), "{}", code.code());
            assert!(!(code.forbids_retry() && code.retry_after().is_some()), "{}", code.code());
        }
    }

    #[test]
    fn statuses_fit_their_outcomes() {
        for code in ApiErrorCode::ALL {
            let by_status = match code.status() {
                401 | 403 => Outcome::AuthDenied,
                503 => Outcome::Unavailable,
                502 => Outcome::UpstreamError,
                504 => Outcome::UpstreamTimeout,
                500 => Outcome::InternalError,
                429 => continue,
                _ => Outcome::ClientError,
            };
            assert_eq!(code.outcome(), by_status, "{}", code.code());
        }
    }

    #[test]
    fn the_page_of_errors_lists_exactly_these_codes() {
        let page = include_str!("../../../../docs/errors.md");
        let table = page.split("\n## Data plane\n").nth(1).unwrap().split("\n## ").next().unwrap();
        let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| <a id=")).collect();
        let expected = ApiErrorCode::ALL.map(|code| {
            let (text, status, kind) = (code.code(), code.status(), code.error_type().as_str());
            format!("| <a id=\"{text}\"></a>`{text}` | {status} | `{kind}` |")
        });
        assert_eq!(rows.len(), expected.len());
        for (row, expected) in rows.iter().zip(&expected) {
            assert!(row.starts_with(expected), "{expected} … is what the code says, the page says {row}");
        }
    }
}
