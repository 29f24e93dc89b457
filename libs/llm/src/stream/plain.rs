//! Streams of the smaller endpoints: transcriptions, speech and images as events.
//! `https://platform.openai.com/docs/api-reference/audio/transcript-text-delta-event`,
//! `…/audio/speech-audio-delta-event`, `…/images-streaming`; vLLM streams transcriptions as chat chunks.

use bytes::Bytes;

use super::{
    DONE_FRAME, FilterSettings, PING_FRAME, StreamEnd, StreamReport, data_frame,
    events::{EventError, EventLanguage, EventStreamFilter, Then},
};
use crate::{
    error::{ErrorBody, UpstreamErrorInfo, parse_upstream_error},
    objects::{Reading, read_error},
    scan::{Kind, ScanError, Text, scan_object},
};

/// Relays a stream whose events are typed or are chat chunks.
///
/// Typed events (`transcript.text.delta`) have a type that ends them (`….done`, `….completed`); several may, if there are
/// several results, so the stream ends with the upstream's or with `[DONE]`. Without the type that ends them, and for
/// chat chunks without a finish reason or `[DONE]`, it is a cut. Events of which neither is known have no such mark:
/// there the caller must see to it that the upstream's end was a clean one.
pub(super) type PlainStreamFilter = EventStreamFilter<PlainEvents>;

impl PlainStreamFilter {
    pub fn new(settings: FilterSettings) -> Self {
        Self::with_language(settings, PlainEvents::default())
    }
}

#[derive(Debug, Default)]
pub(super) struct PlainEvents {
    any_event: bool,
    /// An event had a type.
    typed: bool,
    /// Text came in pieces; a whole text later repeats them.
    had_delta: bool,
}

#[derive(Default)]
struct Event<'a> {
    kind: Option<Text<'a>>,
    delta: Option<Text<'a>>,
    text: Option<Text<'a>>,
    /// Sound or a picture, or where one is to be had.
    has_media: bool,
    error: Option<UpstreamErrorInfo>,
}

impl EventLanguage for PlainEvents {
    fn event(&mut self, name: &[u8], data: &[u8], reading: &mut Reading<'_>) -> Result<Then, EventError> {
        let mut event = Event::default();
        let walked = scan_object::<ScanError>(data, |cursor, key| {
            match &*key.bytes() {
                b"type" => event.kind = cursor.text()?,
                b"delta" => event.delta = cursor.text()?,
                b"text" => event.text = cursor.text()?,
                b"b64_json" | b"url" | b"audio" => {
                    event.has_media |= cursor.text()?.is_some_and(|text| !text.is_empty());
                }
                b"usage" => reading.usage(cursor)?,
                b"model" => reading.model(cursor)?,
                b"id" => reading.id(cursor)?,
                b"choices" => drop(reading.report.choices.read(cursor)?),
                b"error" => event.error = read_error(cursor)?,
                _ => {}
            }
            Ok(())
        });
        if let Some(error) = event.error.take() {
            return Ok(Then::Fail(error));
        }
        if name == b"error" || event.is(b"error") {
            return Ok(Then::Fail(parse_upstream_error(data)));
        }
        if walked != Ok(Kind::Object) {
            return Err(EventError);
        }
        self.take(&event, reading.report);
        Ok(Then::GoOn)
    }

    fn done_mark(&mut self) -> Then {
        Then::End(StreamEnd::Complete)
    }

    fn is_complete(&self, report: &StreamReport) -> bool {
        report.done_seen || (self.any_event && !self.typed && !report.choices.any_unfinished())
    }

    fn error(&mut self, error: &ErrorBody<'_>, _settings: &FilterSettings, out: &mut Vec<u8>) {
        out.extend_from_slice(&data_frame(&error.to_json()));
        out.extend_from_slice(&DONE_FRAME);
    }

    fn ping(&self) -> Bytes {
        PING_FRAME
    }
}

impl Event<'_> {
    fn is(&self, kind: &[u8]) -> bool {
        self.kind.is_some_and(|text| *text.bytes() == *kind)
    }

    fn is_terminal(&self) -> bool {
        self.kind.is_some_and(|kind| {
            let kind = kind.bytes();
            kind.ends_with(b".done") || kind.ends_with(b".completed")
        })
    }
}

impl PlainEvents {
    fn take(&mut self, event: &Event<'_>, report: &mut StreamReport) {
        let terminal = event.is_terminal();
        if let Some(delta) = event.delta {
            self.had_delta = true;
            report.note_text(delta.decoded_len());
        }
        // A last event repeats all of the text; without a delta before, it is the only one that has it.
        if let Some(text) = event.text
            && !self.had_delta
            && !(terminal && report.content_seen())
        {
            report.note_text(text.decoded_len());
        }
        if event.has_media {
            report.note_media();
            report.images += u64::from(terminal);
        }
        self.any_event = true;
        self.typed |= event.kind.is_some();
        report.done_seen |= terminal;
    }
}
