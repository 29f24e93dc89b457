//! One call of one upstream, up to the head of its answer.

use std::time::Duration;

use futures_util::future::{Either, select};
use http::Response;
use hyper::body::Incoming;
use maas_http::{BodySender, UpstreamError};
use maas_llm::error::ApiErrorCode;

use super::{
    asked::{Asked, Content},
    outgoing::Outgoing,
    upload::{PumpError, Upload},
};
use crate::{
    refusal::Refusal,
    relay::upstream_error,
    routing::{Failure, FailureClass, retry_after},
    state::UpstreamEntry,
    worker::Worker,
};

/// Why a call gave no answer.
pub struct CallFailed {
    /// What the client is told if nobody else answers.
    pub refusal: Refusal,
    pub failure: Failure,
    /// 0: there was no answer at all.
    pub status: u16,
    /// For the log; names hosts at most.
    cause: String,
}

/// Sends the request; an answer is one that serves.
pub async fn call(
    worker: &Worker,
    asked: &Asked,
    upstream: &UpstreamEntry,
    outgoing: Outgoing,
) -> Result<Response<Incoming>, CallFailed> {
    let response =
        respond(worker, asked, upstream, outgoing).await.inspect_err(|failed| failed.log(asked, upstream))?;
    if response.status().is_success() { Ok(response) } else { Err(CallFailed::of_answer(response).await) }
}

async fn respond(
    worker: &Worker,
    asked: &Asked,
    upstream: &UpstreamEntry,
    outgoing: Outgoing,
) -> Result<Response<Incoming>, CallFailed> {
    let client = worker.clients.get(&upstream.profile).map_err(|error| CallFailed::of_error(&error))?;
    let Outgoing { request, filling } = outgoing;
    let sending = client.send(request);
    match (&asked.content, filling) {
        (Content::Upload(upload), Some(filling)) => respond_to_upload(sending, upload, filling, upstream).await,
        _ => within(upstream.first_byte_timeout, sending).await,
    }
}

/// Fills the body while the answer is waited for; it may come before the body's end.
async fn respond_to_upload(
    sending: impl Future<Output = Result<Response<Incoming>, UpstreamError>>,
    upload: &Upload,
    (sender, beginning): (BodySender, bytes::Bytes),
    upstream: &UpstreamEntry,
) -> Result<Response<Incoming>, CallFailed> {
    let pumping = std::pin::pin!(upload.pump(sender, beginning, upstream.gap_timeout));
    match select(std::pin::pin!(sending), pumping).await {
        Either::Left((answered, _)) => answered.map_err(|error| CallFailed::of_error(&error)),
        Either::Right((Err(PumpError::Client(refusal)), _)) => Err(CallFailed::of_client(refusal)),
        Either::Right((Err(PumpError::Upstream(stalled)), _)) => Err(CallFailed::late(stalled.to_string())),
        // The time for the first byte begins when the upstream has everything.
        Either::Right((Ok(()), sending)) => within(upstream.first_byte_timeout, sending).await,
    }
}

async fn within(
    limit: Duration,
    sending: impl Future<Output = Result<Response<Incoming>, UpstreamError>>,
) -> Result<Response<Incoming>, CallFailed> {
    match tokio::time::timeout(limit, sending).await {
        Ok(answered) => answered.map_err(|error| CallFailed::of_error(&error)),
        Err(_) => Err(CallFailed::late(format!("no answer within {} ms", limit.as_millis()))),
    }
}

impl CallFailed {
    async fn of_answer(response: Response<Incoming>) -> Self {
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        let refusal = upstream_error::read(response).await;
        let class = match refusal.code {
            // The upstream has forgotten it; it is well, and no other has it.
            ApiErrorCode::ResponseNotFound => FailureClass::Client,
            code => FailureClass::of_status(status, code == ApiErrorCode::ContextLengthExceeded),
        };
        Self { refusal, failure: Failure { class, retry_after }, status, cause: String::new() }
    }

    /// Nothing that another upstream would change.
    fn of_client(refusal: Refusal) -> Self {
        Self { refusal, failure: FailureClass::RequestBody.into(), status: 0, cause: String::new() }
    }

    fn late(cause: String) -> Self {
        let (refusal, failure) = (ApiErrorCode::UpstreamTimeout.into(), FailureClass::Timeout.into());
        Self { refusal, failure, status: 0, cause }
    }

    fn log(&self, asked: &Asked, upstream: &UpstreamEntry) {
        if self.failure.class == FailureClass::RequestBody {
            // The client's doing, which concerns nobody here.
            return;
        }
        tracing::warn!(
            request.id = asked.request_id,
            upstream.name = upstream.name,
            failure = self.failure.class.as_str(),
            error = self.cause,
            "an upstream did not answer"
        );
    }

    fn of_error(error: &UpstreamError) -> Self {
        let code = match error {
            UpstreamError::Timeout(_) => ApiErrorCode::UpstreamTimeout,
            UpstreamError::RequestBody(_) => ApiErrorCode::InvalidRequest,
            _ => ApiErrorCode::UpstreamError,
        };
        let failure = FailureClass::of_error(error).into();
        Self { refusal: code.into(), failure, status: 0, cause: with_causes(error) }
    }
}

/// The error with its causes.
fn with_causes(error: &UpstreamError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
