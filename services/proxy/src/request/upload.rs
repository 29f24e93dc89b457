//! Multipart bodies (sound, pictures): kept only until the `model` part has been seen, then passed through.
//!
//! What stood before the model is kept and can be sent again; what follows goes to one upstream only, as it comes.

use std::{cell::RefCell, time::Duration};

use actix_web::{HttpRequest, dev::Payload};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::HeaderValue;
use maas_http::{BodySender, UpstreamBody};
use maas_llm::{
    error::ApiErrorCode,
    multipart::{MultipartError, MultipartScan, UploadModel},
};
use tokio::time::Instant;

use super::body;
use crate::{refusal::Refusal, settings::ProxySettings, worker::InProgress};

/// A multipart body whose model is known.
pub struct Upload {
    /// In our words: what the upstream reads must be what was understood here.
    content_type: HeaderValue,
    /// Everything up to and with the part that named the model, at least.
    beginning: Bytes,
    model: UploadModel,
    /// Of the whole body, in bytes; `None` if it comes in chunks.
    length: Option<u64>,
    /// `None` once an upstream has begun to take it.
    rest: RefCell<Option<Rest>>,
}

/// What is still to come from the client.
struct Rest {
    parts: Payload,
    scan: MultipartScan,
    received: usize,
    limits: Limits,
    ended: bool,
}

#[derive(Clone, Copy)]
struct Limits {
    max_body_bytes: usize,
    gap: Duration,
    until: Instant,
}

/// Why an upload did not get to its upstream.
#[derive(Debug)]
pub enum PumpError {
    /// What comes from the client is no body, or no longer comes.
    Client(Refusal),
    Upstream(Stalled),
}

/// The upstream keeps its connection open and reads nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it took nothing of the upload for {} ms", .0.as_millis())]
pub struct Stalled(Duration);

/// Reads until the model is known.
pub async fn read(
    head: &HttpRequest,
    payload: Payload,
    settings: &ProxySettings,
    in_progress: &mut InProgress,
) -> Result<Upload, Refusal> {
    let header = |name: &str| head.headers().get(name).and_then(|value| value.to_str().ok());
    let content_type = header("content-type").unwrap_or_default();
    let until = Instant::now() + settings.body_timeout.get();
    let limits = Limits { max_body_bytes: settings.max_body_bytes, gap: settings.body_gap.get(), until };
    let scan = MultipartScan::new(content_type).map_err(invalid)?;
    let content_type = HeaderValue::from_str(&scan.content_type()).map_err(|_| ApiErrorCode::InvalidRequest)?;
    let compressed = body::encoding_of(head)?.is_some();
    let mut length = header("content-length").and_then(|length| length.parse().ok());
    let mut gathered = BytesMut::new();
    let mut rest = Rest { parts: payload, scan, received: 0, limits, ended: false };
    if compressed {
        // It has to be unpacked as a whole, so there is nothing to pass through.
        let whole = body::read(head, rest.parts, settings, in_progress).await?;
        rest = Rest { parts: Payload::None, scan: rest.scan, received: whole.len(), limits, ended: true };
        rest.scan.push(&whole).map_err(invalid)?;
        rest.scan.finish().map_err(invalid)?;
        gathered.extend_from_slice(&whole);
        length = u64::try_from(whole.len()).ok();
    }
    while rest.scan.model().is_none() && !rest.ended {
        if let Some(part) = rest.next().await? {
            body::hold(in_progress, part.len())?;
            gathered.extend_from_slice(&part);
        }
    }
    let model = rest.scan.model().cloned().ok_or_else(|| invalid(MultipartError::MissingModel))?;
    Ok(Upload { content_type, beginning: gathered.freeze(), model, length, rest: RefCell::new(Some(rest)) })
}

impl Upload {
    /// The model the client asked for.
    pub fn model(&self) -> &str {
        &self.model.name
    }

    pub const fn content_type(&self) -> &HeaderValue {
        &self.content_type
    }

    /// Whether another upstream can still be given the whole of it.
    pub fn can_be_sent(&self) -> bool {
        self.rest.borrow().is_some()
    }

    /// The body for an upstream that calls the model so, and what must be driven beside the call to fill it.
    pub fn to_upstream(&self, upstream_model: &str) -> (BodySender, UpstreamBody, Bytes) {
        let range = self.model.range.clone();
        let mut beginning = BytesMut::with_capacity(self.beginning.len() + upstream_model.len());
        beginning.extend_from_slice(self.beginning.get(..range.start).unwrap_or_default());
        beginning.extend_from_slice(upstream_model.as_bytes());
        beginning.extend_from_slice(self.beginning.get(range.end..).unwrap_or_default());
        let grown = upstream_model.len() as u64;
        let length = self.length.map(|length| (length + grown).saturating_sub(range.len() as u64));
        let (sender, body) = UpstreamBody::streamed(length);
        (sender, body, beginning.freeze())
    }

    /// Gives the upstream the body as it takes it. An error is the client's fault; the sender is gone then, which
    /// breaks the request off.
    ///
    /// `gap` is how long the upstream may take nothing.
    pub async fn pump(&self, mut sender: BodySender, beginning: Bytes, gap: Duration) -> Result<(), PumpError> {
        // An upstream that takes nothing has answered or was not reached: its own result says so.
        if sender.wanted().await.is_err() {
            return Ok(());
        }
        let Some(mut rest) = self.rest.take() else { return Ok(()) };
        let mut part = Some(beginning);
        loop {
            if let Some(part) = part
                && in_time(gap, sender.send(part)).await?.is_err()
            {
                return Ok(());
            }
            if rest.ended {
                return in_time(gap, sender.finish()).await;
            }
            part = rest.next().await.map_err(PumpError::Client)?;
        }
    }
}

impl Rest {
    /// The next part, looked at before anybody gets it: a second model in it would be believed by the upstream.
    async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        let until = self.limits.until.min(Instant::now() + self.limits.gap);
        let part = tokio::time::timeout_at(until, self.parts.next()).await.map_err(|_| body::stalled())?;
        let Some(part) = part else {
            self.ended = true;
            self.scan.finish().map_err(invalid)?;
            return Ok(None);
        };
        let part = part.map_err(|error| body::broken(&error, self.limits.max_body_bytes))?;
        self.received += part.len();
        if self.received > self.limits.max_body_bytes {
            return Err(body::too_large(self.limits.max_body_bytes));
        }
        self.scan.push(&part).map_err(invalid)?;
        Ok(Some(part))
    }
}

async fn in_time<T>(gap: Duration, taking: impl Future<Output = T>) -> Result<T, PumpError> {
    tokio::time::timeout(gap, taking).await.map_err(|_| PumpError::Upstream(Stalled(gap)))
}

fn invalid(error: MultipartError) -> Refusal {
    let refusal = Refusal::with_message(ApiErrorCode::InvalidRequest, error.to_string());
    Refusal { param: error.param().map(str::to_owned), ..refusal }
}
