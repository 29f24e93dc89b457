//! A request that is not served: the reason, and the answer in the client's dialect. The only place that renders one.

use actix_web::{HttpResponse, http::StatusCode};
use maas_llm::error::{ApiErrorCode, error_body};

/// Why the answer is an error. The code decides status, type, default message and headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: ApiErrorCode,
    /// Instead of the code's own message.
    pub message: Option<String>,
    pub param: Option<String>,
    /// Instead of the code's own.
    pub retry_after_seconds: Option<u32>,
    /// Instead of the code's own: an upstream's 4xx keeps its status.
    pub status: Option<u16>,
}

impl Refusal {
    pub fn with_message(code: ApiErrorCode, message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..code.into() }
    }

    pub fn status(&self) -> u16 {
        self.status.unwrap_or(self.code.status())
    }

    pub fn render(&self, request_id: &str) -> HttpResponse {
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::build(status);
        if let Some(seconds) = self.retry_after_seconds.or(self.code.retry_after()) {
            response.insert_header(("retry-after", seconds.to_string()));
            // Read first by the OpenAI libraries.
            response.insert_header(("retry-after-ms", (u64::from(seconds) * 1_000).to_string()));
        }
        if self.code.forbids_retry() {
            response.insert_header(("x-should-retry", "false"));
        }
        response.insert_header(("x-request-id", request_id));
        let body = error_body(self.code, self.message.as_deref(), self.param.as_deref(), request_id);
        response.content_type("application/json").body(body)
    }
}

impl From<ApiErrorCode> for Refusal {
    fn from(code: ApiErrorCode) -> Self {
        Self { code, message: None, param: None, retry_after_seconds: None, status: None }
    }
}
