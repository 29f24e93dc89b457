//! What an upstream keeps of a response (OpenAI's Responses): reading it, its input, cancelling, removing. Asked of the
//! upstream that made it; not metered, since the creating call was.

use actix_web::{HttpResponse, http::Method};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Limited};
use maas_http::UpstreamBody;
use maas_keys::ResponseId;
use maas_llm::{
    answer::{Answer, AnswerSettings},
    api::Api,
    error::ApiErrorCode,
};
use maas_types::{Operation, UpstreamId};
use uuid::Uuid;

use super::{
    Incoming,
    credential::{self, Caller},
    outgoing::add_common,
    rights, unsupported,
};
use crate::{
    path::StoredPart,
    refusal::Refusal,
    relay::{ResponseNames, upstream_error},
    state::{ModelEntry, UpstreamEntry},
    worker::{InProgress, Shared, Worker},
};

/// Query parameters that go on: which part of a long list is wanted.
const PASSED: [&str; 6] = ["include", "include[]", "limit", "after", "before", "order"];

/// Opens an id that a client sends. Somebody else's, a forged one and none of ours are all the same: not found.
pub fn open(id: &str, caller: &Caller, shared: &Shared) -> Result<ResponseId, Refusal> {
    let opened = ResponseId::open(id, &shared.peppers);
    let own = opened.filter(|opened| opened.owner == *caller.user.id.uuid().as_bytes());
    own.ok_or_else(|| ApiErrorCode::ResponseNotFound.into())
}

pub async fn answer(
    worker: &Worker,
    incoming: &Incoming<'_>,
    id: &str,
    part: StoredPart,
) -> Result<HttpResponse, Refusal> {
    let (method, suffix) = match (part, incoming.head.method()) {
        (StoredPart::Whole, &Method::GET) => (http::Method::GET, ""),
        (StoredPart::Whole, &Method::DELETE) => (http::Method::DELETE, ""),
        (StoredPart::Cancel, &Method::POST) => (http::Method::POST, "/cancel"),
        (StoredPart::InputItems, &Method::GET) => (http::Method::GET, "/input_items"),
        _ => return Err(ApiErrorCode::MethodNotAllowed.into()),
    };
    let shared = &worker.shared;
    if shared.draining.is_cancelled() {
        return Err(ApiErrorCode::Draining.into());
    }
    let _in_progress = InProgress::enter(shared).ok_or(ApiErrorCode::Overloaded)?;
    let caller = credential::check(shared, incoming.head, Some(Operation::Responses)).await?;
    let stored = open(id, &caller, shared)?;
    let (model, upstream) = maker(shared, &caller, &stored)?;
    let query = passed_query(incoming.head.query_string())?;
    let tail = format!("{}{suffix}", path_segment(&stored.original)?);
    let uri = upstream.stored_response_uri(&tail, query.as_deref()).ok_or(ApiErrorCode::ResponseNotFound)?;

    let mut request = Request::new(UpstreamBody::from(Bytes::new()));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    request.headers_mut().insert(http::header::ACCEPT, http::HeaderValue::from_static("application/json"));
    add_common(request.headers_mut(), &upstream, &incoming.request_id);
    let body = call(worker, &upstream, request).await?;

    let names = ResponseNames::new(worker.peppers.clone(), upstream.id.uuid(), caller.user.id.uuid());
    let rename = |id: &str| names.name(id);
    let settings = AnswerSettings { rename_id: Some(&rename), ..AnswerSettings::new(Api::Responses, &model.name) };
    // Only a whole response has ids and a model of ours in it; a list of items passes as it is.
    let body = match part {
        StoredPart::InputItems => body,
        _ => Answer::read(&body, &settings).map_err(|_| ApiErrorCode::UpstreamError)?.body,
    };
    let mut response = HttpResponse::Ok();
    response.content_type("application/json").insert_header(("x-request-id", incoming.request_id.as_str()));
    Ok(response.body(body))
}

/// The upstream that keeps it, if the caller may still call its model.
fn maker(
    shared: &Shared,
    caller: &Caller,
    stored: &ResponseId,
) -> Result<(std::sync::Arc<ModelEntry>, std::sync::Arc<UpstreamEntry>), Refusal> {
    let models = rights::known_models(shared)?;
    let upstream = UpstreamId::from_uuid(Uuid::from_bytes(stored.upstream));
    let (model, upstream) = models.upstream(upstream).ok_or(ApiErrorCode::ModelUnavailable)?.clone();
    if !model.enabled {
        return Err(ApiErrorCode::ResponseNotFound.into());
    }
    if !rights::may_call(shared, caller, &model) {
        return Err(ApiErrorCode::ModelNotAllowed.into());
    }
    Ok((model, upstream))
}

async fn call(worker: &Worker, upstream: &UpstreamEntry, request: Request<UpstreamBody>) -> Result<Bytes, Refusal> {
    let client = worker.clients.get(&upstream.profile).map_err(|_| ApiErrorCode::UpstreamError)?;
    let limit = upstream.first_byte_timeout;
    let answered =
        tokio::time::timeout(limit, client.send(request)).await.map_err(|_| ApiErrorCode::UpstreamTimeout)?;
    let response = answered.map_err(|_| ApiErrorCode::UpstreamError)?;
    match response.status().as_u16() {
        200..=299 => {}
        404 => return Err(ApiErrorCode::ResponseNotFound.into()),
        _ => return Err(upstream_error::read(response).await),
    }
    let collecting = Limited::new(response.into_body(), worker.shared.settings.max_answer_bytes).collect();
    let collected = tokio::time::timeout(limit, collecting).await.map_err(|_| ApiErrorCode::UpstreamTimeout)?;
    Ok(collected.map_err(|_| ApiErrorCode::UpstreamError)?.to_bytes())
}

/// An upstream's id in a path: one that could leave its place in it is not asked for.
fn path_segment(original: &str) -> Result<&str, Refusal> {
    let is_plain = original.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    (is_plain && !original.starts_with('.')).then_some(original).ok_or_else(|| ApiErrorCode::ResponseNotFound.into())
}

/// The parameters that go on, as they were written.
fn passed_query(query: &str) -> Result<Option<String>, Refusal> {
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().replace("%5B%5D", "[]");
    let streams = query.split('&').any(|pair| name(pair) == "stream" && !pair.ends_with("=false"));
    if streams {
        let message = "A stored response cannot be streamed: read it without `stream`.";
        return Err(unsupported("stream", message));
    }
    let passed: Vec<&str> = query.split('&').filter(|pair| PASSED.contains(&name(pair).as_str())).collect();
    Ok((!passed.is_empty()).then(|| passed.join("&")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_known_parameters_go_on() {
        let passed = |query| passed_query(query).unwrap();
        assert_eq!(passed("limit=2&x=1&include%5B%5D=a&stream=false").as_deref(), Some("limit=2&include%5B%5D=a"));
        assert_eq!(passed("api-version=2099"), None);
        assert!(passed_query("stream=true").is_err());
    }

    #[test]
    fn an_upstreams_id_cannot_leave_its_place_in_the_path() {
        assert!(path_segment("resp_68a-b.c:1").is_ok());
        for id in ["../x", "..", "a/b", "a?b", "a%2fb", "a b"] {
            assert!(path_segment(id).is_err(), "{id}");
        }
    }
}
