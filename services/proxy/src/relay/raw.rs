//! Answers that are neither JSON nor events: sound, captions, plain text. They pass as they come, piece by piece.
//!
//! Nothing in them reports usage, so it is estimated: the input from the request's text, the output from plain text.

use std::{
    future::Future as _,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use actix_web::{
    HttpResponse,
    body::{BodySize, MessageBody},
};
use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use maas_llm::{error::ApiErrorCode, stream::estimate_tokens};
use maas_types::{Outcome, TokenCounts, UsageQuality};
use tokio::time::Sleep;

use crate::{
    metering::{OpenRequest, Settlement},
    request::{Asked, Reply},
    revocation::cutting::OpenCall,
    routing::{Attempt, FailureClass},
    worker::{InProgress, Worker},
};

/// The connection is broken off: nothing else tells a client of such a body that it is not whole.
#[derive(Debug, thiserror::Error)]
#[error("the upstream's answer broke off")]
pub struct BrokenOff;

struct RawBody {
    upstream: Incoming,
    length: Option<u64>,
    open: Option<OpenRequest>,
    attempt: Attempt,
    gap: Duration,
    /// When all must have come.
    deadline: tokio::time::Instant,
    timer: Pin<Box<Sleep>>,
    call: Rc<OpenCall>,
    input_tokens: u64,
    is_text: bool,
    relayed: u64,
    _in_progress: InProgress,
}

pub fn begin(
    worker: &Rc<Worker>,
    open: OpenRequest,
    asked: &Asked,
    reply: Reply,
    in_progress: InProgress,
) -> HttpResponse {
    let overhead = super::overhead(asked, reply.sent, reply.head_received);
    worker.shared.metrics.overhead_total.observe(overhead.as_secs_f64());
    let content_type = reply.response.headers().get(http::header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or("application/octet-stream");
    let mut response = HttpResponse::Ok();
    response
        .content_type(content_type)
        .insert_header(("x-request-id", open.request_id()))
        .insert_header(("x-content-type-options", "nosniff"))
        .insert_header(("x-maas-overhead-ms", super::milliseconds(overhead)));
    let gap = reply.upstream.gap_timeout;
    let deadline = tokio::time::Instant::from_std(reply.sent) + reply.upstream.total_timeout;
    let is_text = is_text(reply.response.headers());
    let upstream = reply.response.into_body();
    let mut body = RawBody {
        length: upstream.size_hint().exact(),
        upstream,
        open: Some(open),
        attempt: reply.attempt,
        gap,
        deadline,
        timer: Box::pin(tokio::time::sleep_until(deadline.min(tokio::time::Instant::now() + gap))),
        call: asked.call.clone(),
        input_tokens: asked.estimated_input(),
        is_text,
        relayed: 0,
        _in_progress: in_progress,
    };
    if body.length == Some(0) {
        // The server never asks for a body without bytes.
        body.complete();
    }
    response.body(body)
}

/// What an answer of so many bytes may have used. Sound says nothing about tokens.
pub(super) fn estimated(input: u64, bytes: u64, is_text: bool) -> TokenCounts {
    let output = if is_text { estimate_tokens(bytes) } else { 0 };
    TokenCounts { input, output, ..TokenCounts::default() }
}

pub(super) fn is_text(headers: &http::HeaderMap) -> bool {
    let content_type = headers.get(http::header::CONTENT_TYPE).map(http::HeaderValue::as_bytes).unwrap_or_default();
    content_type.get(..5).is_some_and(|family| family.eq_ignore_ascii_case(b"text/"))
}

impl RawBody {
    /// On record before the last bytes, or the break, reach the client.
    fn settle(&mut self, outcome: Outcome, code: &'static str) {
        let Some(open) = self.open.take() else { return };
        let tokens = estimated(self.input_tokens, self.relayed, self.is_text);
        open.settle(&Settlement { outcome, status: 200, code, tokens, quality: UsageQuality::Estimated });
    }

    fn break_off(&mut self, class: FailureClass, code: ApiErrorCode) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        self.attempt.failed(class, Instant::now());
        self.settle(code.outcome(), code.code());
        Poll::Ready(Some(Err(BrokenOff)))
    }

    fn complete(&mut self) {
        self.attempt.succeeded(Instant::now());
        self.settle(Outcome::Success, "");
    }
}

impl MessageBody for RawBody {
    type Error = BrokenOff;

    fn size(&self) -> BodySize {
        self.length.map_or(BodySize::Stream, BodySize::Sized)
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        let this = self.get_mut();
        if let Some(lost) = this.call.poll_cut(context).filter(|_| this.open.is_some()) {
            this.settle(lost.outcome(), lost.code());
            return Poll::Ready(Some(Err(BrokenOff)));
        }
        loop {
            match Pin::new(&mut this.upstream).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    this.relayed += data.len() as u64;
                    let now = tokio::time::Instant::now();
                    this.timer.as_mut().reset(this.deadline.min(now + this.gap));
                    if this.upstream.is_end_stream() || this.length == Some(this.relayed) {
                        this.complete();
                    } else if now > this.deadline {
                        // The timer is only asked when nothing is there.
                        return this.break_off(FailureClass::Timeout, ApiErrorCode::UpstreamTimeout);
                    }
                    return Poll::Ready(Some(Ok(data)));
                }
                Poll::Ready(None) => {
                    this.complete();
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Err(_))) => return this.break_off(FailureClass::Cut, ApiErrorCode::UpstreamError),
                Poll::Pending => {}
            }
            if this.timer.as_mut().poll(context).is_ready() {
                return this.break_off(FailureClass::Timeout, ApiErrorCode::UpstreamTimeout);
            }
            return Poll::Pending;
        }
    }
}

impl Drop for RawBody {
    /// The client left before the end.
    fn drop(&mut self) {
        self.settle(Outcome::ClientCancelled, "client_cancelled");
    }
}
