//! Calling upstreams: one after the other until one answers, as long as not a byte of the request has reached any.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use maas_http::{UpstreamClient, UpstreamError};
use maas_llm::{
    error::ApiErrorCode,
    request::{RequestFields, rewrite_request},
};
use maas_types::{Operation, Outcome};

use crate::{refusal::Refusal, state::UpstreamEntry};

const USER_AGENT: &str = concat!("maas/", env!("CARGO_PKG_VERSION"));

/// A request that may be sent.
pub struct Outgoing {
    pub body: Bytes,
    pub fields: RequestFields,
    /// Never empty.
    pub candidates: Vec<Arc<UpstreamEntry>>,
    pub operation: Operation,
    /// When the last byte of the client's body was there.
    pub body_read: Instant,
}

/// An upstream has answered; its body has not been read.
pub struct Reply {
    pub response: Response<Incoming>,
    pub upstream: Arc<UpstreamEntry>,
    /// When the request that it answers was handed to the client.
    pub sent: Instant,
    pub head_received: Instant,
}

/// One try, for the usage event.
pub struct Attempted {
    pub upstream: Arc<UpstreamEntry>,
    pub outcome: Outcome,
    pub status: u16,
    pub began: Instant,
}

pub struct Sent {
    pub attempts: Vec<Attempted>,
    pub result: Result<Reply, Refusal>,
}

/// Tries the candidates in their order. The next one is tried only if the one before saw nothing of the request, so
/// no upstream works on it twice.
pub async fn send(client: UpstreamClient, outgoing: Arc<Outgoing>, request_id: String) -> Sent {
    let mut attempts = Vec::with_capacity(1);
    let mut refusal = Refusal::from(ApiErrorCode::ModelUnavailable);
    for upstream in &outgoing.candidates {
        let began = Instant::now();
        let attempted = |outcome, status| Attempted { upstream: upstream.clone(), outcome, status, began };
        match call(&client, &outgoing, upstream, &request_id).await {
            Ok(response) => {
                let status = response.status().as_u16();
                attempts.push(attempted(outcome_of(status), status));
                let upstream = upstream.clone();
                let reply = Reply { response, upstream, sent: began, head_received: Instant::now() };
                return Sent { attempts, result: Ok(reply) };
            }
            Err(failure) => {
                tracing::warn!(
                    request.id = request_id,
                    upstream.name = upstream.name,
                    error = %failure.text(),
                    "an upstream did not answer"
                );
                refusal = failure.refusal();
                attempts.push(attempted(refusal.code.outcome(), 0));
                if !failure.may_try_another() {
                    break;
                }
            }
        }
    }
    Sent { attempts, result: Err(refusal) }
}

enum CallFailure {
    Upstream(UpstreamError),
    /// No answer within the time for the first byte.
    Silent(Duration),
    NotARequest,
}

async fn call(
    client: &UpstreamClient,
    outgoing: &Outgoing,
    upstream: &UpstreamEntry,
    request_id: &str,
) -> Result<Response<Incoming>, CallFailure> {
    let request = build(outgoing, upstream, request_id).ok_or(CallFailure::NotARequest)?;
    let limit = upstream.first_byte_timeout;
    let answered = tokio::time::timeout(limit, client.send(request)).await;
    answered.map_err(|_| CallFailure::Silent(limit))?.map_err(CallFailure::Upstream)
}

/// Nothing of the client's headers goes on: what the upstream gets is named here.
fn build(outgoing: &Outgoing, upstream: &UpstreamEntry, request_id: &str) -> Option<Request<Full<Bytes>>> {
    let body = rewrite_request(&outgoing.body, &outgoing.fields, &upstream.model, outgoing.fields.stream);
    let accept = if outgoing.fields.stream { "text/event-stream" } else { "application/json" };
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(upstream.uri(outgoing.operation)?)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, accept)
        .header(header::USER_AGENT, USER_AGENT)
        .header("x-request-id", request_id);
    if let Some(authorization) = &upstream.authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    request.body(Full::new(body)).ok()
}

const fn outcome_of(status: u16) -> Outcome {
    match status {
        200..=299 => Outcome::Success,
        429 => Outcome::UpstreamError,
        400..=499 => Outcome::ClientError,
        _ => Outcome::UpstreamError,
    }
}

impl CallFailure {
    fn refusal(&self) -> Refusal {
        match self {
            Self::Silent(_) | Self::Upstream(UpstreamError::Timeout(_)) => ApiErrorCode::UpstreamTimeout.into(),
            Self::NotARequest => ApiErrorCode::InternalError.into(),
            Self::Upstream(_) => ApiErrorCode::UpstreamError.into(),
        }
    }

    fn may_try_another(&self) -> bool {
        match self {
            Self::Upstream(error) => error.is_before_request(),
            Self::Silent(_) | Self::NotARequest => false,
        }
    }

    /// For the log: the error with its causes; they name hosts at most.
    fn text(&self) -> String {
        match self {
            Self::Silent(limit) => format!("no answer within {} ms", limit.as_millis()),
            Self::NotARequest => "the request cannot be built".to_owned(),
            Self::Upstream(error) => {
                let mut text = error.to_string();
                let mut cause = std::error::Error::source(error);
                while let Some(inner) = cause {
                    text.push_str(": ");
                    text.push_str(&inner.to_string());
                    cause = inner.source();
                }
                text
            }
        }
    }
}
