//! How calls of upstreams fail.

use std::time::Duration;

use maas_http::UpstreamError;

/// Why a call did not give an answer that the client can get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// No connection; the upstream saw nothing of the request.
    Connect,
    /// The connection ended before the answer did.
    Cut,
    /// Nothing came in time.
    Timeout,
    /// What came is not an answer to the request: broken HTTP, a redirect, no JSON, an error under status 200.
    BadAnswer,
    /// 429.
    RateLimited,
    /// 502, 503, 504, 529.
    Overloaded,
    /// Any other 5xx.
    Failed,
    /// 401, 403: our credential.
    Auth,
    /// The upstream is well but does not take such requests: 404, 405, 407, 408, 501.
    Refused,
    ContextLength,
    /// Any other 4xx.
    Client,
    /// The client broke its own request off while it was passed on.
    RequestBody,
}

/// What a failed call says about the upstream's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    AtFault,
    /// It is there and answers; what the client asks for or how often we call is not its fault.
    Well,
    Unknown,
}

impl FailureClass {
    pub(super) const ALL: [Self; 12] = [
        Self::Connect,
        Self::Cut,
        Self::Timeout,
        Self::BadAnswer,
        Self::RateLimited,
        Self::Overloaded,
        Self::Failed,
        Self::Auth,
        Self::Refused,
        Self::ContextLength,
        Self::Client,
        Self::RequestBody,
    ];

    /// The class of an answer's status, for any status but 2xx. `context_overflow`: its body says that the request is
    /// too long for the model.
    pub const fn of_status(status: u16, context_overflow: bool) -> Self {
        match status {
            401 | 403 => Self::Auth,
            429 => Self::RateLimited,
            404 | 405 | 407 | 408 | 501 => Self::Refused,
            400..=499 if context_overflow => Self::ContextLength,
            400..=499 => Self::Client,
            502 | 503 | 504 | 529 => Self::Overloaded,
            500..=599 => Self::Failed,
            _ => Self::BadAnswer,
        }
    }

    pub const fn of_error(error: &UpstreamError) -> Self {
        match error {
            UpstreamError::Cut(_) => Self::Cut,
            UpstreamError::Protocol(_) => Self::BadAnswer,
            UpstreamError::RequestBody(_) => Self::RequestBody,
            UpstreamError::Settings(_)
            | UpstreamError::Blocked(_)
            | UpstreamError::Resolve(_)
            | UpstreamError::Connect(_)
            | UpstreamError::Tls(_)
            | UpstreamError::Timeout(_) => Self::Connect,
        }
    }

    pub(super) const fn verdict(self) -> Verdict {
        match self {
            Self::Connect
            | Self::Cut
            | Self::Timeout
            | Self::BadAnswer
            | Self::Overloaded
            | Self::Failed
            | Self::Auth => Verdict::AtFault,
            Self::RateLimited | Self::Refused | Self::ContextLength | Self::Client => Verdict::Well,
            Self::RequestBody => Verdict::Unknown,
        }
    }

    /// Stable text for reports and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Cut => "cut",
            Self::Timeout => "timeout",
            Self::BadAnswer => "bad_answer",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::Failed => "failed",
            Self::Auth => "auth",
            Self::Refused => "refused",
            Self::ContextLength => "context_length",
            Self::Client => "client",
            Self::RequestBody => "request_body",
        }
    }

    /// For atomics; see [`from_number`](Self::from_number).
    pub(super) const fn number(self) -> u8 {
        self as u8 + 1
    }

    /// `None` for 0, which stands for no failure.
    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }
}

/// One failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    pub class: FailureClass,
    /// What the upstream's `Retry-After` asks for.
    pub retry_after: Option<Duration>,
}

impl From<FailureClass> for Failure {
    fn from(class: FailureClass) -> Self {
        Self { class, retry_after: None }
    }
}

/// The time that an answer's `retry-after-ms` or `Retry-After` asks for. A date counts as no wish.
pub fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u32>().ok();
    if let Some(milliseconds) = number("retry-after-ms") {
        return Some(Duration::from_millis(milliseconds.into()));
    }
    number("retry-after").map(|seconds| Duration::from_secs(seconds.into()))
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
