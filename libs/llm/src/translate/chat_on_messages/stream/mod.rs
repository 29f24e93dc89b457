//! The stream: Messages events to chat chunks.

mod chunks;
mod events;
mod telling;

use bytes::Bytes;

use self::{chunks::ChunkWriter, events::Event};
use crate::{
    error::{ApiErrorCode, ErrorBody, parse_upstream_error},
    sse::{Frame, FrameBytes, FrameSplitter},
    stream::{DONE_FRAME, FilterSettings, PING_FRAME, StreamEnd, StreamFault, StreamFilter, StreamReport},
};

/// A Messages stream given out as the chat stream that a chat upstream's would be: chunks, the usage chunk if it was asked
/// for, `[DONE]` once. Thinking comes as `reasoning_content`.
///
/// It has ended well with `message_stop`, or without it when the reason to stop was given: usage has come with that.
#[derive(Debug)]
pub struct MessagesAsChat {
    settings: FilterSettings,
    splitter: FrameSplitter,
    report: StreamReport,
    chunks: ChunkWriter,
    ended: Option<StreamEnd>,
}

impl MessagesAsChat {
    /// `created` in Unix seconds, for the chunks: Messages carry no time.
    pub fn new(settings: FilterSettings, created: u64) -> Self {
        Self {
            splitter: FrameSplitter::new(settings.max_frame),
            report: StreamReport::default(),
            chunks: ChunkWriter::new(settings.client_model.clone(), settings.request_id.clone(), created),
            settings,
            ended: None,
        }
    }

    fn relay(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), StreamFault> {
        let mut at = 0;
        while self.ended.is_none() {
            match self.splitter.next_frame(chunk, &mut at)? {
                None => break,
                Some(FrameBytes::Inside(range)) => self.frame(chunk.get(range).unwrap_or_default(), out)?,
                Some(FrameBytes::Joined(bytes)) => self.frame(&bytes, out)?,
            }
        }
        Ok(())
    }

    fn frame(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), StreamFault> {
        let frame = Frame::parse(bytes);
        let Some(data) = frame.data.as_deref().map(<[u8]>::trim_ascii).filter(|data| !data.is_empty()) else {
            return Ok(());
        };
        let name = frame.event.and_then(|name| std::str::from_utf8(name).ok());
        match Event::read(name, data) {
            Ok(Event::Error) => self.upstream_error(data, out),
            Ok(event) => self.event(&event, out)?,
            // An error needs no form to be one.
            Err(_) if name == Some("error") => self.upstream_error(data, out),
            // Not of this language, but gateways add it.
            Err(_) if data == b"[DONE]" => {}
            Err(_) => return Err(StreamFault::MalformedData),
        }
        Ok(())
    }

    fn upstream_error(&mut self, data: &[u8], out: &mut Vec<u8>) {
        let error = parse_upstream_error(data);
        self.tell_error(&error.as_body(&self.settings.request_id), out);
        self.report.upstream_error = Some(error);
        self.ended = Some(StreamEnd::UpstreamError);
    }

    fn tell_error(&self, error: &ErrorBody<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&error.to_json());
        out.extend_from_slice(b"\n\n");
        out.extend_from_slice(&DONE_FRAME);
    }
}

impl StreamFilter for MessagesAsChat {
    fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), StreamFault> {
        let mut chunks = Vec::new();
        let result = self.relay(&chunk, &mut chunks);
        push_bytes(chunks, out);
        if result.is_err() {
            self.ended = Some(StreamEnd::Cut);
        }
        result
    }

    fn end(&mut self, out: &mut Vec<Bytes>) -> StreamEnd {
        let mut chunks = Vec::new();
        if self.ended.is_none()
            && let Some(rest) = self.splitter.finish()
        {
            // A torn frame is no event: half of a number in it must not count.
            let before = self.report.clone();
            if self.frame(&rest, &mut chunks).is_err() {
                self.report = before;
            }
        }
        if self.ended.is_none() && self.report.is_finished() {
            self.finish(&mut chunks);
        }
        push_bytes(chunks, out);
        *self.ended.get_or_insert(StreamEnd::Cut)
    }

    fn ended(&self) -> Option<StreamEnd> {
        self.ended
    }

    fn report(&self) -> &StreamReport {
        &self.report
    }

    fn fail(&mut self, code: ApiErrorCode, message: Option<&str>, out: &mut Vec<Bytes>) {
        if matches!(self.ended, Some(StreamEnd::Complete | StreamEnd::UpstreamError)) {
            return;
        }
        self.ended = Some(StreamEnd::UpstreamError);
        let mut frames = Vec::new();
        self.tell_error(&ErrorBody::new(code, message, None, &self.settings.request_id), &mut frames);
        push_bytes(frames, out);
    }

    fn ping(&self) -> Bytes {
        PING_FRAME
    }
}

fn push_bytes(bytes: Vec<u8>, out: &mut Vec<Bytes>) {
    if !bytes.is_empty() {
        out.push(bytes.into());
    }
}
