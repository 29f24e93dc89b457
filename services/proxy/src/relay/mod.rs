//! From the upstream's answer to the client's: whole answers, streams, bytes and errors. Every way ends in a settlement.

mod answer;
mod languages;
pub mod leftover;
mod mirror;
mod raw;
mod stream;
pub mod upstream_error;

use std::{rc::Rc, time::Instant};

use actix_web::HttpResponse;
use maas_llm::api::Api;

pub use languages::{Languages, ResponseNames};

use crate::{
    metering::OpenRequest,
    refusal::Refusal,
    request::{Asked, ModelRoute, Sent, send},
    worker::{InProgress, Worker},
};

/// Sends an admitted request and answers with what comes back.
pub async fn relay(
    worker: &Rc<Worker>,
    mut open: OpenRequest,
    asked: Rc<Asked>,
    route: ModelRoute,
    in_progress: InProgress,
) -> HttpResponse {
    if let Some(first) = route.upstreams().first() {
        open.expect_upstream(first);
    }
    mirror::copy(worker, &asked, &route.model);
    let mut sending = Box::pin(send(worker.clone(), asked.clone(), route));

    let sent = if asked.stream {
        // A load balancer must not give up while a reasoning model thinks: the answer begins before the upstream's.
        let patience = worker.shared.settings.ping_interval.get();
        match asked.call.unless_cut(tokio::time::timeout(patience, &mut sending)).await {
            Ok(Ok(sent)) => Ok(sent),
            Ok(Err(_)) => return stream::begin_waiting(worker, open, asked, sending, in_progress),
            Err(lost) => Err(lost),
        }
    } else {
        asked.call.unless_cut(sending).await
    };
    let sent = match sent {
        Ok(sent) => sent,
        Err(lost) => return refuse(open, asked.api, &lost.into()),
    };

    open.note_attempts(&sent);
    match sent.result {
        Err(refusal) => refuse(open, asked.api, &refusal),
        Ok(reply) => match Form::of(reply.response.headers()) {
            Form::Events if asked.stream || asked.api == Api::Plain => {
                stream::begin(worker, open, asked, reply, in_progress)
            }
            Form::Bytes if asked.api == Api::Plain => raw::begin(worker, open, &asked, reply, in_progress),
            _ => answer::relay(worker, open, &asked, reply).await,
        },
    }
}

/// Ends an admitted request with an error.
pub fn refuse(open: OpenRequest, api: Api, refusal: &Refusal) -> HttpResponse {
    let response = refusal.render(api, open.request_id());
    open.settle(&refusal.settlement());
    response
}

/// What an answer's body is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Events,
    /// Sound, plain text, and everything that says of itself to be neither of the others.
    Bytes,
}

impl Form {
    fn of(headers: &http::HeaderMap) -> Self {
        let content_type = headers.get(http::header::CONTENT_TYPE);
        let Some(content_type) = content_type.map(http::HeaderValue::as_bytes) else { return Self::Json };
        let essence = content_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        match essence {
            _ if essence.eq_ignore_ascii_case(b"text/event-stream") => Self::Events,
            _ if essence.eq_ignore_ascii_case(b"application/json") => Self::Json,
            _ => Self::Bytes,
        }
    }
}

impl OpenRequest {
    fn note_attempts(&mut self, sent: &Sent) {
        for attempt in &sent.attempts {
            self.note_attempt(attempt);
        }
        let Ok(reply) = &sent.result else { return };
        self.served_by(&reply.model);
        self.note_first_byte();
        let headers = reply.response.headers();
        // Anthropic's name for it has no prefix.
        let id = headers.get("x-request-id").or_else(|| headers.get("request-id"));
        if let Some(id) = id.and_then(|value| value.to_str().ok()) {
            self.note_upstream_request_id(id);
        }
    }
}

/// The time that is ours: from the whole request body to the upstream call, and from its answer to ours.
fn overhead(asked: &Asked, reply_sent: Instant, upstream_done: Instant) -> std::time::Duration {
    reply_sent.saturating_duration_since(asked.body_read) + upstream_done.elapsed()
}

/// Milliseconds with three decimals, for `x-maas-overhead-ms`.
fn milliseconds(duration: std::time::Duration) -> String {
    let micros = duration.as_micros();
    format!("{}.{:03}", micros / 1_000, micros % 1_000)
}
