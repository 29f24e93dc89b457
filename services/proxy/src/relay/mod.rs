//! From the upstream's answer to the client's: whole answers, streams and errors. Every way ends in a settlement.

mod answer;
pub mod leftover;
mod stream;
mod upstream_error;

use std::{rc::Rc, sync::Arc, time::Instant};

use actix_web::HttpResponse;

use crate::{
    metering::{OpenRequest, Settlement},
    refusal::Refusal,
    request::{Outgoing, Reply, Sent, send},
    worker::{InProgress, Worker},
};

/// What the client asked for, as far as the answer depends on it.
pub(crate) struct Asked {
    /// The model's name in the answer.
    pub model: String,
    pub include_usage: bool,
    pub request_bytes: usize,
    pub body_read: Instant,
}

/// Sends an admitted request and answers with what comes back.
pub async fn relay(
    worker: &Rc<Worker>,
    mut open: OpenRequest,
    outgoing: Outgoing,
    in_progress: InProgress,
) -> HttpResponse {
    let streamed = outgoing.fields.stream;
    let asked = Asked {
        model: outgoing.fields.model.clone(),
        include_usage: outgoing.fields.include_usage,
        request_bytes: outgoing.body.len(),
        body_read: outgoing.body_read,
    };
    open.expect_upstream(&outgoing.candidates[0]);
    let mut sending = Box::pin(send(worker.client.clone(), Arc::new(outgoing), open.request_id().to_owned()));

    let sent = if streamed {
        // A load balancer must not give up while a reasoning model thinks: the answer begins before the upstream's.
        match tokio::time::timeout(worker.shared.settings.ping_interval.get(), &mut sending).await {
            Ok(sent) => sent,
            Err(_) => return stream::begin_waiting(worker, open, asked, sending, in_progress),
        }
    } else {
        sending.await
    };

    open.note_attempts(&sent);
    match sent.result {
        Err(refusal) => refuse(open, &refusal),
        Ok(reply) if !reply.response.status().is_success() => {
            let refusal = upstream_error::read(reply).await;
            refuse(open, &refusal)
        }
        Ok(reply) if streamed && is_event_stream(&reply) => stream::begin(worker, open, asked, reply, in_progress),
        Ok(reply) => answer::relay(worker, open, asked, reply).await,
    }
}

fn refuse(open: OpenRequest, refusal: &Refusal) -> HttpResponse {
    let response = refusal.render(open.request_id());
    open.settle(&Settlement::unused(refusal.code.outcome(), refusal.status(), refusal.code.code()));
    response
}

fn is_event_stream(reply: &Reply) -> bool {
    let content_type = reply.response.headers().get(http::header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

impl OpenRequest {
    fn note_attempts(&mut self, sent: &Sent) {
        for attempt in &sent.attempts {
            self.note_attempt(&attempt.upstream, attempt.outcome, attempt.status, attempt.began);
        }
        let Ok(reply) = &sent.result else { return };
        self.note_first_byte();
        if let Some(id) = reply.response.headers().get("x-request-id").and_then(|value| value.to_str().ok()) {
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
