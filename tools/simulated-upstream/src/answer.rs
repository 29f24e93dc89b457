//! Whole answers: results without streaming, and errors.

use std::fmt::Write;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;

use crate::behaviour::{Behaviour, ErrorAnswer, UsageMode};
use crate::operation::Operation;
use crate::request::ModelRequest;
use crate::text::push_words;

/// The same in every answer: a test that compares bodies need not cut times out.
pub(crate) const CREATED: u64 = 1_750_000_000;
/// A mistyped length must not take the machine's memory.
const MOST_OUTPUT_TOKENS: u64 = 1_000_000;
const EMBEDDING_DIMENSIONS: u64 = 16;
const MOST_EMBEDDING_DIMENSIONS: u64 = 4_096;
/// More than any request can use, yet within 64 bits.
const HUGE_TOKENS: u64 = 9_000_000_000_000_000_000;
const JSON: &str = "application/json";

/// How much an answer says, and why it ends there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) tokens: u64,
    pub(crate) finish_reason: &'static str,
}

impl Extent {
    pub(crate) fn of(request: &ModelRequest<'_>, behaviour: &Behaviour) -> Self {
        let wanted = behaviour.output_tokens.min(MOST_OUTPUT_TOKENS);
        match request.max_tokens() {
            Some(limit) if limit < wanted => Self { tokens: limit, finish_reason: "length" },
            _ => Self { tokens: wanted, finish_reason: "stop" },
        }
    }
}

/// `{"id":…,"object":…,"created":…,"model":…,` which begins every result and every chunk.
pub(crate) fn head(id: u64, operation: Operation, streamed: bool, model: &str) -> String {
    let (prefix, object) = match (operation, streamed) {
        (Operation::Completions, _) => ("cmpl", "text_completion"),
        (_, false) => ("chatcmpl", "chat.completion"),
        (_, true) => ("chatcmpl", "chat.completion.chunk"),
    };
    let model = json_string(model);
    format!(r#"{{"id":"{prefix}-sim-{id}","object":"{object}","created":{CREATED},"model":{model},"#)
}

pub(crate) fn result(
    id: u64,
    operation: Operation,
    request: &ModelRequest<'_>,
    behaviour: &Behaviour,
    extent: Extent,
) -> HttpResponse {
    let mut body = head(id, operation, false, &request.model);
    // The longest word has eight letters with its space.
    body.reserve(usize::try_from(extent.tokens).unwrap_or(0) * 8 + 320);
    body.push_str(match operation {
        Operation::Completions => r#""choices":[{"index":0,"text":""#,
        _ => r#""choices":[{"index":0,"message":{"role":"assistant","content":""#,
    });
    push_words(&mut body, 0, extent.tokens);
    body.push_str(match operation {
        Operation::Completions => r#"","logprobs":null,"finish_reason":""#,
        _ => r#"","refusal":null},"logprobs":null,"finish_reason":""#,
    });
    body.push_str(extent.finish_reason);
    body.push_str(r#""}]"#);
    if behaviour.usage != UsageMode::Missing {
        body.push(',');
        push_usage(&mut body, behaviour.usage, request.messages.count, extent.tokens);
    }
    body.push('}');
    json_answer(StatusCode::OK, body)
}

pub(crate) fn embeddings(request: &ModelRequest<'_>, behaviour: &Behaviour) -> HttpResponse {
    let dimensions = request.dimensions.unwrap_or(EMBEDDING_DIMENSIONS).clamp(1, MOST_EMBEDDING_DIMENSIONS);
    let as_base64 = request.encoding_format.as_deref() == Some("base64");
    let mut body = String::from(r#"{"object":"list","data":["#);
    for index in 0..request.messages.texts {
        let separator = if index == 0 { "" } else { "," };
        let vector = embedding(index, dimensions, as_base64);
        // Writing to a string cannot fail.
        let _ = write!(body, r#"{separator}{{"object":"embedding","index":{index},"embedding":{vector}}}"#);
    }
    let _ = write!(body, r#"],"model":{}"#, json_string(&request.model));
    let input = request.messages.count;
    match behaviour.usage {
        UsageMode::Missing => {}
        UsageMode::Huge => {
            let _ = write!(body, r#","usage":{{"prompt_tokens":{HUGE_TOKENS},"total_tokens":{HUGE_TOKENS}}}"#);
        }
        _ => {
            let _ = write!(body, r#","usage":{{"prompt_tokens":{input},"total_tokens":{input}}}"#);
        }
    }
    body.push('}');
    json_answer(StatusCode::OK, body)
}

/// `"usage":{…}`
pub(crate) fn push_usage(into: &mut String, mode: UsageMode, input: u64, output: u64) {
    let (input, output, total) = match mode {
        UsageMode::Huge => (HUGE_TOKENS, HUGE_TOKENS, HUGE_TOKENS * 2),
        UsageMode::Inconsistent => (input, output, input + output + 1_000),
        _ => (input, output, input + output),
    };
    let _ = write!(into, r#""usage":{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{total}}}"#);
}

pub(crate) fn error(kind: ErrorAnswer, behaviour: &Behaviour) -> HttpResponse {
    let retry_after = (RETRY_AFTER, behaviour.retry_after_seconds.to_string());
    match kind {
        ErrorAnswer::ContextOverflow => error_object(
            StatusCode::BAD_REQUEST,
            "BadRequestError",
            "This model's maximum context length is 4096 tokens. However, you requested 5096 tokens (5000 in the messages, \
             96 in the completion). Please reduce the length of the messages or completion.",
        ),
        ErrorAnswer::Unauthorized => unauthorized(),
        ErrorAnswer::NotFound => error_object(StatusCode::NOT_FOUND, "NotFoundError", "The model does not exist."),
        ErrorAnswer::RateLimited => {
            let mut answer = error_object(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "Too many requests.");
            append_header(&mut answer, retry_after);
            answer
        }
        ErrorAnswer::Internal => {
            error_object(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "The engine has failed.")
        }
        ErrorAnswer::Unavailable => {
            let mut answer =
                error_object(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableError", "The engine is starting.");
            append_header(&mut answer, retry_after);
            answer
        }
        ErrorAnswer::MalformedJson => json_answer(StatusCode::OK, r#"{"id":"chatcmpl-sim","choices":[{"#.to_owned()),
        ErrorAnswer::HtmlPage => HttpResponse::BadGateway()
            .content_type("text/html")
            .body("<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"),
        ErrorAnswer::Disconnect => HttpResponse::Ok().streaming(stream::once(async {
            Err::<Bytes, _>(std::io::Error::from(std::io::ErrorKind::ConnectionAborted))
        })),
    }
}

pub(crate) fn unauthorized() -> HttpResponse {
    error_object(StatusCode::UNAUTHORIZED, "AuthenticationError", "The API key is missing or wrong.")
}

/// An error as vLLM writes it, with the status again as a number.
pub(crate) fn error_object(status: StatusCode, kind: &str, message: &str) -> HttpResponse {
    let (message, code) = (json_string(message), status.as_u16());
    json_answer(status, format!(r#"{{"error":{{"message":{message},"type":"{kind}","param":null,"code":{code}}}}}"#))
}

pub(crate) fn json_answer(status: StatusCode, body: impl Into<Bytes>) -> HttpResponse {
    HttpResponse::build(status).content_type(JSON).body(body.into())
}

pub(crate) fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn append_header(answer: &mut HttpResponse, (name, value): (actix_web::http::header::HeaderName, String)) {
    if let Ok(value) = value.parse() {
        answer.headers_mut().insert(name, value);
    }
}

/// One vector as a JSON value: numbers, or base64 of little-endian 32-bit floats, which OpenAI's SDKs ask for.
fn embedding(index: u64, dimensions: u64, as_base64: bool) -> String {
    // Multiples of 1/64 are exact in both forms.
    let component = |position: u64| ((index * 7 + position * 5) % 127) as f32 / 64.0 - 1.0;
    if as_base64 {
        let bytes: Vec<u8> = (0..dimensions).flat_map(|position| component(position).to_le_bytes()).collect();
        return format!(r#""{}""#, STANDARD.encode(bytes));
    }
    let numbers: Vec<String> = (0..dimensions).map(|position| component(position).to_string()).collect();
    format!("[{}]", numbers.join(","))
}
