//! Request bodies: declared size and framing are checked before a byte is read, the real size while reading.

use actix_web::{HttpRequest, dev::Payload, error::PayloadError};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use maas_llm::error::ApiErrorCode;
use maas_types::Operation;
use tokio::time::Instant;

use super::encoding::{DecodeError, Encoding};
use crate::{refusal::Refusal, settings::ProxySettings, worker::InProgress};

/// Unpacked, JSON is seldom more than so many times as large.
const USUAL_EXPANSION: usize = 100;

/// The form in which an operation takes its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyForm {
    Json,
    /// `multipart/form-data`: sound and pictures.
    Upload,
}

impl BodyForm {
    pub const fn of(operation: Operation) -> Self {
        match operation {
            Operation::Transcription | Operation::Translation | Operation::ImageEdit => Self::Upload,
            _ => Self::Json,
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Upload => "multipart/form-data",
        }
    }
}

/// Refuses what cannot be a request of ours by its headers alone.
pub fn check_headers(head: &HttpRequest, form: BodyForm, max_body_bytes: usize) -> Result<(), Refusal> {
    let headers = head.headers();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if headers.contains_key("transfer-encoding") && headers.contains_key("content-length") {
        let message = "a request has either content-length or transfer-encoding";
        return Err(Refusal::with_message(ApiErrorCode::InvalidRequest, message));
    }
    let content_type = text("content-type").or((form == BodyForm::Upload).then_some(""));
    if let Some(content_type) = content_type {
        let essence = content_type.split(';').next().unwrap_or("").trim();
        if !essence.eq_ignore_ascii_case(form.media_type()) {
            let message = format!("the media type `{}` is not {}", printable(essence), form.media_type());
            return Err(Refusal::with_message(ApiErrorCode::UnsupportedMediaType, message));
        }
    }
    encoding_of(head)?;
    let declared = text("content-length").and_then(|length| length.parse::<u64>().ok());
    if declared.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > max_body_bytes)) {
        return Err(too_large(max_body_bytes));
    }
    Ok(())
}

/// Reads the whole body, decompressed, under the limit for its size and the one for gaps between its parts.
pub async fn read(
    head: &HttpRequest,
    payload: Payload,
    settings: &ProxySettings,
    in_progress: &mut InProgress,
) -> Result<Bytes, Refusal> {
    let body = gather(payload, settings, in_progress).await?;
    let limit = settings.max_body_bytes;
    let Some(encoding) = encoding_of(head)? else { return Ok(body) };
    let expected = limit.min(body.len().saturating_mul(USUAL_EXPANSION));
    hold(in_progress, expected)?;
    // Not on this thread: a few kilobytes may become many megabytes, and other requests wait here.
    let decoded = tokio::task::spawn_blocking(move || encoding.decode(&body, limit)).await;
    in_progress.give_back(expected);
    match decoded {
        Ok(Ok(decoded)) => hold(in_progress, decoded.len()).map(|()| decoded),
        Ok(Err(DecodeError::TooLarge)) => Err(too_large(limit)),
        Ok(Err(DecodeError::Damaged)) => {
            let message = "the request body is not what its content-encoding says";
            Err(Refusal::with_message(ApiErrorCode::InvalidRequest, message))
        }
        Err(_) => Err(ApiErrorCode::InternalError.into()),
    }
}

/// `None` for a body that is sent as it is.
pub fn encoding_of(head: &HttpRequest) -> Result<Option<Encoding>, Refusal> {
    let mut encodings = head.headers().get_all("content-encoding");
    let Some(encoding) = encodings.next() else { return Ok(None) };
    let text = encoding.to_str().unwrap_or_default().trim();
    match Encoding::parse(text) {
        _ if encodings.next().is_some() => Err(ApiErrorCode::UnsupportedEncoding.into()),
        Some(encoding) => Ok(Some(encoding)),
        None if text.eq_ignore_ascii_case("identity") => Ok(None),
        None => Err(ApiErrorCode::UnsupportedEncoding.into()),
    }
}

/// Memory for more of a body, if all requests together do not hold too much.
pub fn hold(in_progress: &mut InProgress, bytes: usize) -> Result<(), Refusal> {
    if in_progress.hold(bytes) { Ok(()) } else { Err(ApiErrorCode::Overloaded.into()) }
}

async fn gather(mut parts: Payload, settings: &ProxySettings, in_progress: &mut InProgress) -> Result<Bytes, Refusal> {
    let gap = settings.body_gap.get();
    let deadline = Instant::now() + settings.body_timeout.get();
    // Most bodies come in one part and are never copied.
    let mut first: Option<Bytes> = None;
    let mut gathered = BytesMut::new();
    loop {
        let until = deadline.min(Instant::now() + gap);
        let part = tokio::time::timeout_at(until, parts.next()).await.map_err(|_| stalled())?;
        let Some(part) = part else { break };
        let part = part.map_err(|error| broken(&error, settings.max_body_bytes))?;
        let so_far = gathered.len() + first.as_ref().map_or(0, Bytes::len);
        if so_far + part.len() > settings.max_body_bytes {
            return Err(too_large(settings.max_body_bytes));
        }
        hold(in_progress, part.len())?;
        match first.take() {
            None if gathered.is_empty() => first = Some(part),
            None => gathered.extend_from_slice(&part),
            Some(earlier) => {
                gathered.reserve(earlier.len() + part.len());
                gathered.extend_from_slice(&earlier);
                gathered.extend_from_slice(&part);
            }
        }
    }
    Ok(first.unwrap_or_else(|| gathered.freeze()))
}

pub fn too_large(limit: usize) -> Refusal {
    Refusal::with_message(ApiErrorCode::RequestTooLarge, format!("the request body is larger than {limit} bytes"))
}

pub fn stalled() -> Refusal {
    Refusal {
        status: Some(408),
        ..Refusal::with_message(ApiErrorCode::InvalidRequest, "the request body did not arrive")
    }
}

pub fn broken(error: &PayloadError, limit: usize) -> Refusal {
    match error {
        PayloadError::Overflow => too_large(limit),
        _ => Refusal {
            client_left: matches!(
                error,
                PayloadError::Incomplete(_) | PayloadError::Io(_) | PayloadError::Http2Payload(_)
            ),
            ..Refusal::with_message(ApiErrorCode::InvalidRequest, "the request body could not be read to its end")
        },
    }
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}
