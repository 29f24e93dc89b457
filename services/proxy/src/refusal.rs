//! A request that is not served: the reason, and the answer in the client's dialect. The only place that renders one.

use actix_web::{HttpResponse, http::StatusCode};
use maas_llm::{
    api::Api,
    error::{ApiErrorCode, error_body},
};
use maas_types::Outcome;
use maas_web::edge::{Fault, Refused};

use crate::{
    metering::Settlement,
    path::{Endpoint, route},
};

/// What the data plane's listener refuses before it is a request, as every other refusal: in the language that the path
/// is for, OpenAI's if the path is not known.
pub fn refuse_at_edge(refused: &Refused<'_>) -> HttpResponse {
    let code = match refused.fault {
        Fault::HeadTooLarge => ApiErrorCode::RequestTooLarge,
        _ => ApiErrorCode::InvalidRequest,
    };
    let status = Some(refused.fault.status().as_u16());
    let api = match route(refused.path).endpoint {
        Endpoint::Inference(operation) => Api::of(operation),
        _ => Api::Plain,
    };
    Refusal { status, ..Refusal::with_message(code, refused.fault.message()) }.render(api, refused.request_id)
}

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
    /// The client is gone: nobody reads the answer, and it is booked as that.
    pub client_left: bool,
}

impl Refusal {
    pub fn with_message(code: ApiErrorCode, message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..code.into() }
    }

    pub fn status(&self) -> u16 {
        self.status.unwrap_or(self.code.status())
    }

    /// How an admitted request is booked that ends so.
    pub fn settlement(&self) -> Settlement {
        match self.client_left {
            true => Settlement::unused(Outcome::ClientCancelled, 0, "client_cancelled"),
            false => Settlement::unused(self.code.outcome(), self.status(), self.code.code()),
        }
    }

    /// In the words of the client's language.
    pub fn render(&self, api: Api, request_id: &str) -> HttpResponse {
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
        if api == Api::Messages {
            // Under this name, and no other, Anthropic's clients look for it.
            response.insert_header(("request-id", request_id));
        }
        let body = error_body(api, self.code, self.message.as_deref(), self.param.as_deref(), request_id);
        response.content_type("application/json").body(body)
    }
}

impl From<ApiErrorCode> for Refusal {
    fn from(code: ApiErrorCode) -> Self {
        Self { code, message: None, param: None, retry_after_seconds: None, status: None, client_left: false }
    }
}
