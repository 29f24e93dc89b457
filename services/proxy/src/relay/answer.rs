//! Answers that are not streamed: read whole, metered, settled, then sent.

use std::{rc::Rc, time::Instant};

use actix_web::HttpResponse;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use maas_llm::{answer::Answer, error::ApiErrorCode, stream::estimate_tokens};
use maas_types::{Outcome, UsageQuality};

use super::{Asked, milliseconds, overhead, refuse};
use crate::{
    metering::{OpenRequest, Settlement},
    refusal::Refusal,
    request::Reply,
    worker::Worker,
};

/// Above this no cost header is sent: such answers will be streamed through one day.
const COST_HEADER_UP_TO: usize = 256 * 1024;

/// If the client leaves meanwhile, this future is dropped: the connection upstream closes, and `open` settles itself.
pub async fn relay(worker: &Rc<Worker>, open: OpenRequest, asked: Asked, reply: Reply) -> HttpResponse {
    let sent = reply.sent;
    let body = match collect(worker, reply).await {
        Ok(body) => body,
        Err(refusal) => return refuse(open, &refusal),
    };
    let received = Instant::now();
    let answer = match Answer::read(&body, &asked.model) {
        Ok(answer) => answer,
        Err(error) => {
            tracing::warn!(request.id = open.request_id(), error = %error, "an upstream's answer cannot be used");
            return refuse(open, &ApiErrorCode::UpstreamError.into());
        }
    };
    if let Some(error) = answer.error {
        let refusal = Refusal::with_message(ApiErrorCode::UpstreamError, error.message);
        return refuse(open, &refusal);
    }

    let mut tokens = answer.counts();
    let mut quality = answer.quality();
    if !answer.usage.is_reported() {
        // Also an answer without any text (embeddings) has used its input.
        quality = UsageQuality::Estimated;
        tokens.input = estimate_tokens(asked.request_bytes as u64);
    }
    let mut response = HttpResponse::Ok();
    response.content_type("application/json").insert_header(("x-request-id", open.request_id()));
    let cost = open.settle(&Settlement { outcome: Outcome::Success, status: 200, code: "", tokens, quality });
    if answer.body.len() <= COST_HEADER_UP_TO {
        response.insert_header(("x-maas-cost", cost.to_string()));
    }
    let overhead = overhead(&asked, sent, received);
    worker.shared.metrics.overhead_total.observe(overhead.as_secs_f64());
    response.insert_header(("x-maas-overhead-ms", milliseconds(overhead)));
    response.body(answer.body)
}

async fn collect(worker: &Rc<Worker>, reply: Reply) -> Result<Bytes, Refusal> {
    let limit = reply.upstream.total_timeout;
    let collecting = Limited::new(reply.response.into_body(), worker.shared.settings.max_answer_bytes).collect();
    match tokio::time::timeout(limit, collecting).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::with_message(
            ApiErrorCode::UpstreamError,
            "The model's answer is larger than can be passed on.",
        )),
        Ok(Err(_)) => Err(ApiErrorCode::UpstreamError.into()),
        Err(_) => Err(ApiErrorCode::UpstreamTimeout.into()),
    }
}
