//! The request that an upstream gets. Nothing of the client's headers goes on but what is named here.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use maas_http::{BodySender, UpstreamBody};
use maas_llm::{
    error::ApiErrorCode,
    request::{Rewrite, rewrite_request},
    translate::{TranslationError, chat_on_messages, messages_on_chat, responses_on_chat},
};
use maas_types::Operation;

use super::asked::{Asked, Content};
use crate::{
    refusal::Refusal,
    state::{UpstreamEntry, Via},
};

pub const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("maas/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");
const ANTHROPIC_VERSION: &str = "anthropic-version";

/// Larger bodies are translated on another thread: every stream of this one would wait.
pub const TRANSLATED_HERE_UP_TO: usize = 256 * 1024;

/// A request ready to go, and what has to fill its body meanwhile.
pub struct Outgoing {
    pub request: Request<UpstreamBody>,
    pub filling: Option<(BodySender, Bytes)>,
}

/// Writes the request for this upstream. A refusal is the client's to mend: what it asks for cannot be said there.
pub async fn build(asked: &Asked, upstream: &UpstreamEntry, via: Via) -> Result<Outgoing, Refusal> {
    let operation = via.upstream_operation(asked.operation);
    let uri = upstream.uri(operation).ok_or(ApiErrorCode::InternalError)?;
    let (content_type, body, filling) = match &asked.content {
        Content::Json { .. } => (JSON, json_body(asked, upstream, via).await?.into(), None),
        Content::Upload(upload) => {
            let (sender, body, beginning) = upload.to_upstream(&upstream.model);
            (upload.content_type().clone(), body, Some((sender, beginning)))
        }
    };
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.clone();
    let headers = request.headers_mut();
    headers.reserve(6 + upstream.headers.len());
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::ACCEPT, accept(asked));
    if via == Via::Native {
        headers.extend(asked.forwarded.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    // Last, so that what the catalogue says is not the client's to change.
    add_common(headers, upstream, &asked.request_id);
    Ok(Outgoing { request, filling })
}

/// Credential, the catalogue's headers, and who we are.
pub fn add_common(headers: &mut http::HeaderMap, upstream: &UpstreamEntry, request_id: &str) {
    headers.insert(header::USER_AGENT, USER_AGENT);
    if let Ok(request_id) = HeaderValue::from_str(request_id) {
        headers.insert("x-request-id", request_id);
    }
    if let Some(version) = upstream.dialect.default_version() {
        headers.entry(ANTHROPIC_VERSION).or_insert(version);
    }
    for (name, value) in &upstream.headers {
        headers.insert(name, value.clone());
    }
}

fn accept(asked: &Asked) -> HeaderValue {
    match asked.operation {
        // The form of these answers is the request's to choose.
        Operation::Speech | Operation::Transcription | Operation::Translation => ANYTHING,
        _ if asked.stream => EVENT_STREAM,
        _ => JSON,
    }
}

async fn json_body(asked: &Asked, upstream: &UpstreamEntry, via: Via) -> Result<Bytes, Refusal> {
    let Content::Json { body, fields, previous_response } = &asked.content else { return Ok(Bytes::new()) };
    if matches!(via, Via::Native | Via::Estimate) {
        let previous_response_id = previous_response.as_deref();
        let rewrite = Rewrite { model: &upstream.model, force_usage: true, previous_response_id };
        return Ok(rewrite_request(body, fields, &rewrite));
    }
    let translated = if body.len() > TRANSLATED_HERE_UP_TO {
        let (body, model) = (body.clone(), upstream.model.clone());
        let translating = tokio::task::spawn_blocking(move || translate(via, &body, &model));
        translating.await.map_err(|_| ApiErrorCode::InternalError)?
    } else {
        translate(via, body, &upstream.model)
    };
    translated.map(Bytes::from).map_err(|error| untranslatable(&error))
}

fn translate(via: Via, body: &[u8], model: &str) -> Result<Vec<u8>, TranslationError> {
    let to_messages = |chat: &[u8]| chat_on_messages::request(chat, model, chat_on_messages::DEFAULT_MAX_TOKENS);
    match via {
        Via::Native | Via::Estimate => Ok(body.to_vec()),
        Via::MessagesOnChat => messages_on_chat::request(body, model),
        Via::ResponsesOnChat => responses_on_chat::request(body, model),
        Via::ChatOnMessages => to_messages(body),
        Via::ResponsesOnMessages => responses_on_chat::request(body, model).and_then(|chat| to_messages(&chat)),
    }
}

/// What the client asks cannot be said to this upstream.
pub fn untranslatable(error: &TranslationError) -> Refusal {
    let code = match error {
        TranslationError::Invalid { .. } => ApiErrorCode::InvalidRequest,
        TranslationError::Unsupported { .. } => ApiErrorCode::UnsupportedParameter,
    };
    let refusal = Refusal::with_message(code, error.to_string());
    Refusal { param: error.param().map(str::to_owned), ..refusal }
}
