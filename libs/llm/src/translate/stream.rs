//! A stream in one language made from a chat stream.

use bytes::Bytes;

use super::chat::ChatChunk;
use crate::{
    error::{ApiErrorCode, ErrorBody},
    sse::{Frame, FrameBytes, FrameSplitter},
    stream::{StreamEnd, StreamFault, StreamFilter, StreamReport},
};

/// Says a chat stream in another language, chunk by chunk. It gets the chunks of a stream that was already put in order:
/// usage at most once and last, no empty frames.
pub trait ChatTranslator {
    /// Appends the frames that say what the chunk says.
    fn chunk(&mut self, chunk: &ChatChunk, out: &mut Vec<u8>);

    /// Every chunk was given: appends what ends a complete stream.
    fn done(&mut self, out: &mut Vec<u8>);

    /// The stream has failed: appends what tells the client so and ends its stream.
    fn error(&mut self, error: &ErrorBody<'_>, out: &mut Vec<u8>);

    fn ping(&self) -> Bytes;
}

/// Puts a translator behind a filter that yields a chat stream, which also keeps the report.
pub struct TranslatedStream<T> {
    chat: Box<dyn StreamFilter>,
    translator: T,
    splitter: FrameSplitter,
    /// For errors that arise here.
    request_id: String,
    /// What `chat` gave out last.
    chunks: Vec<Bytes>,
    ended: Option<StreamEnd>,
}

impl<T: ChatTranslator> TranslatedStream<T> {
    /// `chat` must be set to include usage: the translator says it in its own language.
    pub fn new(chat: Box<dyn StreamFilter>, translator: T, request_id: String) -> Self {
        Self { chat, translator, splitter: FrameSplitter::default(), request_id, chunks: Vec::new(), ended: None }
    }

    /// Translates what the chat filter has given out since the last time.
    fn translate(&mut self, out: &mut Vec<Bytes>) -> Result<(), StreamFault> {
        let mut translated = Vec::new();
        let mut result = Ok(());
        for chunk in std::mem::take(&mut self.chunks) {
            result = self.translate_chunk(&chunk, &mut translated);
            if result.is_err() {
                break;
            }
        }
        if !translated.is_empty() {
            out.push(translated.into());
        }
        result
    }

    fn translate_chunk(&mut self, chunk: &[u8], translated: &mut Vec<u8>) -> Result<(), StreamFault> {
        let mut at = 0;
        while let Some(frame) = self.splitter.next_frame(chunk, &mut at)? {
            let bytes = match &frame {
                FrameBytes::Inside(range) => chunk.get(range.clone()).unwrap_or_default(),
                FrameBytes::Joined(bytes) => bytes,
            };
            // The terminal frame says nothing that the filter's own end does not say.
            let data = Frame::parse(bytes).data.filter(|data| &**data != b"[DONE]");
            let Some(data) = data else { continue };
            match serde_json::from_slice::<ChatFrame<'_>>(&data) {
                Ok(ChatFrame::Error { error }) => self.translator.error(&error.as_body(&self.request_id), translated),
                Ok(ChatFrame::Chunk(chunk)) => self.translator.chunk(&chunk, translated),
                Err(_) => return Err(StreamFault::MalformedData),
            }
        }
        Ok(())
    }

    /// Follows the chat filter to its end.
    fn follow(&mut self, end: Option<StreamEnd>, out: &mut Vec<Bytes>) {
        if self.ended.is_some() || end.is_none() {
            return;
        }
        self.ended = end;
        if end == Some(StreamEnd::Complete) {
            let mut translated = Vec::new();
            self.translator.done(&mut translated);
            out.push(translated.into());
        }
    }
}

/// What one frame of a chat stream may be.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum ChatFrame<'a> {
    Error {
        #[serde(borrow)]
        error: FrameError<'a>,
    },
    Chunk(ChatChunk),
}

/// An error as the chat filter writes it.
#[derive(serde::Deserialize)]
struct FrameError<'a> {
    message: std::borrow::Cow<'a, str>,
    code: Option<std::borrow::Cow<'a, str>>,
}

impl FrameError<'_> {
    fn as_body<'a>(&'a self, request_id: &'a str) -> ErrorBody<'a> {
        let code = self.code.as_deref().and_then(ApiErrorCode::parse).unwrap_or(ApiErrorCode::UpstreamError);
        ErrorBody::new(code, Some(&self.message), None, request_id)
    }
}

impl<T: ChatTranslator> StreamFilter for TranslatedStream<T> {
    fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), StreamFault> {
        if self.ended.is_some() {
            return Ok(());
        }
        let pushed = self.chat.push(chunk, &mut self.chunks);
        let translated = self.translate(out);
        if let Err(fault) = pushed.and(translated) {
            self.ended = Some(StreamEnd::Cut);
            return Err(fault);
        }
        let end = self.chat.ended();
        self.follow(end, out);
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<Bytes>) -> StreamEnd {
        if let Some(end) = self.ended {
            return end;
        }
        let end = self.chat.end(&mut self.chunks);
        let end = if self.translate(out).is_err() { StreamEnd::Cut } else { end };
        self.follow(Some(end), out);
        end
    }

    fn ended(&self) -> Option<StreamEnd> {
        self.ended
    }

    fn report(&self) -> &StreamReport {
        self.chat.report()
    }

    fn fail(&mut self, code: ApiErrorCode, message: Option<&str>, out: &mut Vec<Bytes>) {
        if matches!(self.ended, Some(StreamEnd::Complete | StreamEnd::UpstreamError)) {
            return;
        }
        self.ended = Some(StreamEnd::UpstreamError);
        let mut translated = Vec::new();
        self.translator.error(&ErrorBody::new(code, message, None, &self.request_id), &mut translated);
        out.push(translated.into());
    }

    fn ping(&self) -> Bytes {
        self.translator.ping()
    }
}
