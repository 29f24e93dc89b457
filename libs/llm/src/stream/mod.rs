//! What a client sees of a streamed chat completion or completion, and what is learnt on the way.
//!
//! [`ChatStreamFilter`] keeps the promises towards clients: `data:` frames with LF only, the model's name as it was asked
//! for, usage exactly once before `[DONE]` if it was asked for and never otherwise, exactly one `[DONE]`, upstream errors
//! in our shape. [`StreamReport`] holds what metering needs.

mod chunk;
mod filter;
mod outlet;
mod report;

use bytes::Bytes;

pub use filter::{ChatStreamFilter, FilterSettings};
pub use report::{StreamReport, estimate_tokens};

use crate::{
    error::{ApiErrorCode, ErrorBody},
    sse::FrameTooLarge,
};

/// The frame that ends every stream.
pub const DONE_FRAME: Bytes = Bytes::from_static(b"data: [DONE]\n\n");

/// Keeps idle connections open. A comment: every client library passes over it.
pub const PING_FRAME: Bytes = Bytes::from_static(b": ping\n\n");

/// The upstream sent what no client could read. The caller emits [`error_frame`] and [`DONE_FRAME`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamFault {
    #[error(transparent)]
    FrameTooLarge(#[from] FrameTooLarge),
    #[error("an event of the stream is not a JSON object")]
    MalformedData,
}

/// How the stream stands when the upstream has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// Finished, and `[DONE]` was given out.
    Complete,
    /// The upstream failed in words of its own; error frame and `[DONE]` were given out.
    UpstreamError,
    /// The upstream stopped in the middle (or a fault stopped the stream). Nothing was given out for it: the caller
    /// emits [`error_frame`] and [`DONE_FRAME`].
    Cut,
}

/// An error inside a stream, as one frame.
pub fn error_frame(code: ApiErrorCode, message: Option<&str>, request_id: &str) -> Bytes {
    data_frame(&ErrorBody::new(code, message, None, request_id).to_json())
}

fn data_frame(json: &[u8]) -> Bytes {
    [b"data: ", json, b"\n\n"].concat().into()
}
