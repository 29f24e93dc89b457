//! What a client sees of a stream, and what is learnt on the way: one [`StreamFilter`] per pair of languages.
//!
//! [`ChatStreamFilter`] keeps the promises towards clients of chat: `data:` frames with LF only, the model's name as it was
//! asked for, usage exactly once before `[DONE]` if it was asked for and never otherwise, exactly one `[DONE]`, upstream
//! errors in our shape. The streams of named events (Messages, Responses, images and audio) pass as they are but for names
//! and errors; they share one engine in `events.rs`. [`StreamReport`] holds what metering needs.
//!
//! To add a language of named events, implement `EventLanguage` beside `messages.rs` and name it in [`stream_filter`].

mod chunk;
mod events;
mod filter;
mod messages;
mod outlet;
mod plain;
mod report;
mod responses;
mod settings;

use bytes::Bytes;

pub use filter::ChatStreamFilter;
pub use messages::MESSAGES_PING_FRAME;
pub use report::{StreamReport, estimate_input_tokens, estimate_tokens};
pub use settings::{FilterSettings, RenameId};

use crate::{
    api::Api,
    error::{ApiErrorCode, ErrorBody},
    sse::FrameTooLarge,
};

/// The frame that ends every stream of chat.
pub const DONE_FRAME: Bytes = Bytes::from_static(b"data: [DONE]\n\n");

/// Keeps idle connections open. A comment: every client library passes over it.
pub const PING_FRAME: Bytes = Bytes::from_static(b": ping\n\n");

/// The upstream sent what no client could read. The caller ends the stream with [`StreamFilter::fail`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamFault {
    #[error(transparent)]
    FrameTooLarge(#[from] FrameTooLarge),
    #[error("an event of the stream is not a JSON object")]
    MalformedData,
}

/// A state machine between the upstream's bytes and the client's.
///
/// Joined, the relayed bytes do not depend on how the upstream's were split; neither does the report. After the end or a
/// fault nothing more is given out, whatever is pushed.
pub trait StreamFilter {
    /// Takes in a chunk and appends what goes to the client. Frames before a fault are still given out; after a fault
    /// the caller ends the client's stream with [`StreamFilter::fail`].
    fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), StreamFault>;

    /// The upstream has ended, cleanly or not. Calling it again answers the same and gives out nothing.
    fn end(&mut self, out: &mut Vec<Bytes>) -> StreamEnd;

    /// How the stream ended, if it has; the terminal frame is then already among what was given out.
    fn ended(&self) -> Option<StreamEnd>;

    fn report(&self) -> &StreamReport;

    /// Ends the client's stream with an error in its own language, whatever was sent before. Does nothing if the stream
    /// has already ended with [`StreamEnd::Complete`] or [`StreamEnd::UpstreamError`].
    fn fail(&mut self, code: ApiErrorCode, message: Option<&str>, out: &mut Vec<Bytes>);

    /// Keeps an idle connection open; may be sent between any two frames, also before the first.
    fn ping(&self) -> Bytes;
}

/// The largest event where events carry images, or repeat a whole answer, in bytes.
pub const MAX_LARGE_FRAME: usize = 16 << 20;

/// The filter for a stream that upstream and client speak the same language in. For those that are translated see
/// [`crate::translate`].
///
/// Where events may be large, the bound on them is at least [`MAX_LARGE_FRAME`].
pub fn stream_filter(api: Api, mut settings: FilterSettings) -> Box<dyn StreamFilter> {
    if matches!(api, Api::Responses | Api::Plain) {
        settings.max_frame = settings.max_frame.max(MAX_LARGE_FRAME);
    }
    match api {
        Api::Chat => Box::new(ChatStreamFilter::new(settings)),
        Api::Messages => Box::new(messages::MessagesStreamFilter::new(settings)),
        Api::Responses => Box::new(responses::ResponsesStreamFilter::new(settings)),
        Api::Plain => Box::new(plain::PlainStreamFilter::new(settings)),
    }
}

/// How the stream stands when the upstream has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// Finished, and the terminal frame was given out.
    Complete,
    /// The upstream failed in words of its own, and the client was told and its stream ended.
    UpstreamError,
    /// The upstream stopped in the middle (or a fault stopped the stream). Nothing was given out for it: the caller
    /// calls [`StreamFilter::fail`].
    Cut,
}

/// An error inside a stream, as one frame.
pub fn error_frame(code: ApiErrorCode, message: Option<&str>, request_id: &str) -> Bytes {
    data_frame(&ErrorBody::new(code, message, None, request_id).to_json())
}

fn data_frame(json: &[u8]) -> Bytes {
    [b"data: ", json, b"\n\n"].concat().into()
}

#[cfg(test)]
mod tests;
