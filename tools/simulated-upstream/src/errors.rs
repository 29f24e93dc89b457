//! Errors, each in the shape of the API that was called.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use bytes::Bytes;
use futures_util::stream;

use crate::behaviour::{Behaviour, ErrorAnswer};
use crate::dialect::Dialect;
use crate::json::{json_answer, json_or_null, json_string};

/// OpenAI's name of what is wrong with a request; vLLM has others.
pub(crate) const OPENAI_KIND: &str = "invalid_request_error";

/// What an error says, before it has a shape.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// vLLM's name of the error.
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    pub(crate) param: Option<&'static str>,
    /// OpenAI's and Azure's; where there is none, the status stands for it.
    pub(crate) code: Option<&'static str>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, message: message.into(), param: None, code: None }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequestError", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFoundError", message)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "AuthenticationError", "The API key is missing or wrong.")
    }

    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "The engine has failed.")
    }

    /// `flat` is for OpenAI's dialect only.
    pub(crate) fn answer(&self, dialect: Dialect, flat: bool) -> HttpResponse {
        json_answer(self.status, self.json(dialect, flat))
    }

    pub(crate) fn json(&self, dialect: Dialect, flat: bool) -> String {
        let (message, kind, number) = (json_string(&self.message), self.kind, self.status.as_u16());
        let param = json_or_null(self.param.map(json_string));
        match dialect {
            Dialect::Anthropic => {
                let kind = anthropic_kind(self.status);
                format!(r#"{{"type":"error","error":{{"type":"{kind}","message":{message}}},"request_id":"req_sim"}}"#)
            }
            Dialect::Azure => {
                let code = self.code.map_or_else(|| number.to_string(), str::to_owned);
                format!(r#"{{"error":{{"code":"{code}","message":{message}}}}}"#)
            }
            Dialect::OpenAi if flat => {
                format!(r#"{{"object":"error","message":{message},"type":"{kind}","param":{param},"code":{number}}}"#)
            }
            Dialect::OpenAi => {
                let code = match self.code {
                    Some(code) => json_string(code),
                    // OpenAI has none then, and vLLM says the status again.
                    None if kind == OPENAI_KIND => "null".to_owned(),
                    None => number.to_string(),
                };
                format!(r#"{{"error":{{"message":{message},"type":"{kind}","param":{param},"code":{code}}}}}"#)
            }
        }
    }
}

/// The error that the behaviour asks for, instead of a result.
pub(crate) fn answer(error: ErrorAnswer, behaviour: &Behaviour, dialect: Dialect, streams: bool) -> HttpResponse {
    match error {
        ErrorAnswer::UnderOk => under_ok(streams),
        ErrorAnswer::MalformedJson => json_answer(StatusCode::OK, r#"{"id":"chatcmpl-sim","choices":[{"#.to_owned()),
        ErrorAnswer::HtmlPage => HttpResponse::BadGateway()
            .content_type("text/html")
            .body("<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"),
        ErrorAnswer::Disconnect => disconnect(),
        _ => {
            let mut answer = refusal(error, dialect).answer(dialect, behaviour.flat_errors);
            if matches!(error, ErrorAnswer::RateLimited | ErrorAnswer::Unavailable) {
                answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(behaviour.retry_after_seconds));
            }
            answer
        }
    }
}

/// An answer of which not even the head goes out.
pub(crate) fn disconnect() -> HttpResponse {
    HttpResponse::Ok()
        .streaming(stream::once(async { Err::<Bytes, _>(std::io::Error::from(std::io::ErrorKind::ConnectionAborted)) }))
}

fn under_ok(streams: bool) -> HttpResponse {
    let error = r#"{"error":{"message":"500: Internal server error: The provider has failed."}}"#;
    if streams {
        return HttpResponse::Ok().content_type("text/event-stream").body(format!("data: {error}\n\n"));
    }
    json_answer(StatusCode::OK, error)
}

fn refusal(error: ErrorAnswer, dialect: Dialect) -> Refusal {
    match error {
        ErrorAnswer::BadRequest => Refusal::bad_request("The request has a value that this model does not know."),
        ErrorAnswer::ContextOverflow => context_overflow(dialect),
        ErrorAnswer::Unauthorized => Refusal::unauthorized(),
        ErrorAnswer::Forbidden => Refusal::new(StatusCode::FORBIDDEN, "PermissionDeniedError", "Not with this key."),
        ErrorAnswer::NotFound => Refusal::not_found("The model does not exist."),
        ErrorAnswer::TooLarge => {
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", "The request is too large.")
        }
        ErrorAnswer::RateLimited => {
            Refusal::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "Too many requests.")
        }
        ErrorAnswer::Quota => Refusal {
            code: Some("insufficient_quota"),
            ..Refusal::new(StatusCode::TOO_MANY_REQUESTS, "insufficient_quota", "The quota of this account is used up.")
        },
        ErrorAnswer::Unavailable => {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableError", "The engine is starting.")
        }
        ErrorAnswer::Timeout => {
            Refusal::new(StatusCode::GATEWAY_TIMEOUT, "GatewayTimeoutError", "The engine did not answer in time.")
        }
        ErrorAnswer::Overloaded => Refusal::new(overloaded(), "OverloadedError", "Overloaded"),
        // All but the first have a shape of their own, which is written elsewhere.
        ErrorAnswer::Internal
        | ErrorAnswer::UnderOk
        | ErrorAnswer::MalformedJson
        | ErrorAnswer::HtmlPage
        | ErrorAnswer::Disconnect => Refusal::internal(),
    }
}

fn context_overflow(dialect: Dialect) -> Refusal {
    match dialect {
        Dialect::Anthropic => Refusal::bad_request("prompt is too long: 5096 tokens > 4096 maximum"),
        Dialect::OpenAi | Dialect::Azure => Refusal {
            code: (dialect == Dialect::Azure).then_some("context_length_exceeded"),
            ..Refusal::bad_request(
                "This model's maximum context length is 4096 tokens. However, you requested 5096 tokens (5000 in the \
                 messages, 96 in the completion). Please reduce the length of the messages or completion.",
            )
        },
    }
}

fn anthropic_kind(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "invalid_request_error",
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        _ => "api_error",
    }
}

fn overloaded() -> StatusCode {
    // 529 is no registered status, but a valid one.
    StatusCode::from_u16(529).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}
