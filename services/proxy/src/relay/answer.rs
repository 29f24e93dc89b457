//! Answers that are not streamed: read whole, metered, settled, then sent.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use actix_web::HttpResponse;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use maas_llm::{answer::Answer, api::Api, error::ApiErrorCode};
use maas_types::{Outcome, TokenCounts, UsageQuality};

use super::{Languages, milliseconds, overhead, refuse, upstream_error};
use crate::{
    metering::{OpenRequest, Settlement},
    refusal::Refusal,
    request::{Asked, Reply},
    routing::FailureClass,
    worker::Worker,
};

/// Above this no cost header is sent.
const COST_HEADER_UP_TO: usize = 256 * 1024;

/// If the client leaves meanwhile, this future is dropped: the connection upstream closes, and `open` settles itself.
pub async fn relay(worker: &Rc<Worker>, open: OpenRequest, asked: &Asked, reply: Reply) -> HttpResponse {
    let Reply { response, upstream, via, mut attempt, sent, .. } = reply;
    let limit = worker.shared.settings.max_answer_bytes;
    let collecting = collect(response.into_body(), limit, upstream.total_timeout);
    let collected = match asked.call.unless_cut(collecting).await {
        Ok(collected) => collected,
        Err(lost) => return refuse(open, asked.api, &lost.into()),
    };
    let received = Instant::now();
    let body = match collected {
        Ok(body) => body,
        Err((refusal, class)) => {
            attempt.failed(class, received);
            return refuse(open, asked.api, &refusal);
        }
    };
    let languages = Languages { asked, upstream: upstream.id, via, peppers: worker.peppers.clone() };
    let (answer, body) = match languages.answer(&body) {
        Ok(answer) => answer,
        Err(error) => {
            tracing::warn!(request.id = open.request_id(), error = %error, "an upstream's answer cannot be used");
            attempt.failed(FailureClass::BadAnswer, received);
            return refuse(open, asked.api, &ApiErrorCode::UpstreamError.into());
        }
    };
    if let Some(error) = answer.error {
        let (refusal, class) = upstream_error::under_success(error);
        attempt.failed(class, received);
        return refuse(open, asked.api, &refusal);
    }
    // The client gets it as it is, since it says itself that it has failed.
    let has_failed = asked.api == Api::Responses && answer.finish_reason() == Some("failed");
    let (outcome, code) = if has_failed {
        attempt.failed(FailureClass::Failed, received);
        (Outcome::UpstreamError, ApiErrorCode::UpstreamError.code())
    } else {
        attempt.succeeded(received);
        (Outcome::Success, "")
    };

    let (tokens, quality) = used(&answer, asked);
    let mut response = HttpResponse::Ok();
    response.content_type("application/json").insert_header(("x-request-id", open.request_id()));
    let cost = open.settle_with_others(&Settlement { outcome, status: 200, code, tokens, quality }).await;
    if body.len() <= COST_HEADER_UP_TO {
        response.insert_header(("x-maas-cost", cost.to_string()));
    }
    let overhead = overhead(asked, sent, received);
    worker.shared.metrics.overhead_total.observe(overhead.as_secs_f64());
    response.insert_header(("x-maas-overhead-ms", milliseconds(overhead)));
    response.body(body)
}

/// What an answer has used, as reported or estimated.
pub fn used(answer: &Answer, asked: &Asked) -> (TokenCounts, UsageQuality) {
    let mut tokens = answer.counts();
    if answer.usage.is_reported() {
        return (tokens, answer.quality());
    }
    if !asked.generates() {
        // Moderations and tokenizers say nothing about tokens, and nobody charges for them by token.
        return (tokens, UsageQuality::None);
    }
    // Also an answer without any text (embeddings) has used its input.
    tokens.input = asked.estimated_input();
    (tokens, UsageQuality::Estimated)
}

/// The whole body, within its limits of size and time.
pub async fn collect(body: Incoming, limit: usize, within: Duration) -> Result<Bytes, (Refusal, FailureClass)> {
    match tokio::time::timeout(within, Limited::new(body, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let message = "The model's answer is larger than can be passed on.";
            Err((Refusal::with_message(ApiErrorCode::UpstreamError, message), FailureClass::BadAnswer))
        }
        Ok(Err(_)) => Err((ApiErrorCode::UpstreamError.into(), FailureClass::Cut)),
        Err(_) => Err((ApiErrorCode::UpstreamTimeout.into(), FailureClass::Timeout)),
    }
}
