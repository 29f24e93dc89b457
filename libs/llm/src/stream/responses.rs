//! OpenAI's Responses stream for its clients: `https://platform.openai.com/docs/api-reference/responses-streaming`.

use bytes::Bytes;
use serde::Serialize;

use super::{
    FilterSettings, PING_FRAME, StreamEnd, StreamReport,
    events::{EventError, EventLanguage, EventStreamFilter, Then},
};
use crate::{
    error::{ErrorBody, parse_upstream_error},
    objects::{Output, Reading, ResponseFacts, read_item, read_response},
    scan::{Cursor, Kind, ScanError, Text, Value, scan_object},
};

/// Relays a stream of Responses events; it ends with `response.completed`, `response.incomplete` or `response.failed`.
pub(super) type ResponsesStreamFilter = EventStreamFilter<ResponsesEvents>;

impl ResponsesStreamFilter {
    pub fn new(settings: FilterSettings) -> Self {
        Self::with_language(settings, ResponsesEvents::default())
    }
}

/// What a failed response that we write must share with the events before it.
#[derive(Debug, Default)]
pub(super) struct ResponsesEvents {
    /// The response's id as the client knows it, once an event has told it.
    id: Option<String>,
    created_at: Option<u64>,
    last_sequence: Option<u64>,
}

/// The members of an event that decide what it is.
#[derive(Default)]
struct Event<'a> {
    kind: Option<Text<'a>>,
    delta: Option<Text<'a>>,
    sequence: Option<Value<'a>>,
    item: Option<Value<'a>>,
    response: Option<ResponseFacts>,
}

impl EventLanguage for ResponsesEvents {
    fn event(&mut self, name: &[u8], data: &[u8], reading: &mut Reading<'_>) -> Result<Then, EventError> {
        let mut event = Event::default();
        let walked = scan_object::<ScanError>(data, |cursor, key| {
            match &*key.bytes() {
                b"type" => event.kind = cursor.text()?,
                b"delta" => event.delta = cursor.text()?,
                b"sequence_number" => event.sequence = Some(cursor.value()?),
                b"item" => event.item = Some(cursor.value()?),
                b"response" if cursor.peek()? == Kind::Object => {
                    event.response = Some(read_response(reading, cursor, Output::Skip)?);
                }
                _ => {}
            }
            Ok(())
        });
        if name == b"error" || event.kind.is_some_and(|kind| kind.is("error")) {
            return Ok(Then::Fail(parse_upstream_error(data)));
        }
        if walked != Ok(Kind::Object) {
            return Err(EventError);
        }
        // What was added is told again when it is done.
        if let (Some(item), true) = (event.item, event.is("response.output_item.added")) {
            read_item(reading, &mut Cursor::new(item.raw()))?;
        }
        Ok(self.take(event, reading.report))
    }

    fn done_mark(&mut self) -> Then {
        Then::Drop
    }

    fn is_complete(&self, _report: &StreamReport) -> bool {
        false
    }

    fn error(&mut self, error: &ErrorBody<'_>, settings: &FilterSettings, out: &mut Vec<u8>) {
        // Clients build their state from the first event and die of another one in its place.
        if self.id.is_none() {
            self.write(out, "response.created", "in_progress", None, settings);
        }
        self.write(out, "response.failed", "failed", Some(error), settings);
    }

    fn ping(&self) -> Bytes {
        PING_FRAME
    }
}

impl Event<'_> {
    fn is(&self, kind: &str) -> bool {
        self.kind.is_some_and(|text| text.is(kind))
    }

    /// The bytes of text that the event brings. Sound comes as deltas too, in base64.
    fn text_bytes(&self) -> usize {
        let is_text = |kind: &Text<'_>| {
            let kind = kind.bytes();
            kind.ends_with(b".delta") && !kind.ends_with(b".audio.delta")
        };
        match (self.kind.filter(is_text), self.delta) {
            (Some(_), Some(delta)) => delta.decoded_len(),
            _ => 0,
        }
    }
}

impl ResponsesEvents {
    fn take(&mut self, event: Event<'_>, report: &mut StreamReport) -> Then {
        report.note_text(event.text_bytes());
        self.last_sequence = event.sequence.and_then(|value| value.as_whole()).or(self.last_sequence);
        let ends = ["response.completed", "response.incomplete", "response.failed"].map(|kind| event.is(kind));
        let facts = event.response.unwrap_or_default();
        self.id = facts.id.or(self.id.take());
        self.created_at = facts.created_at.or(self.created_at);
        match ends {
            [true, ..] => finished(report, "completed"),
            [_, true, _] => finished(report, facts.incomplete_reason.as_deref().unwrap_or("incomplete")),
            [_, _, true] => {
                report.upstream_error = Some(facts.error.unwrap_or_else(|| parse_upstream_error(b"")));
                Then::End(StreamEnd::UpstreamError)
            }
            _ => Then::GoOn,
        }
    }

    fn write(
        &mut self,
        out: &mut Vec<u8>,
        kind: &str,
        status: &str,
        error: Option<&ErrorBody<'_>>,
        settings: &FilterSettings,
    ) {
        let sequence_number = self.last_sequence.map_or(0, |last| last.saturating_add(1));
        self.last_sequence = Some(sequence_number);
        let made_id = || format!("resp_{}", settings.request_id.trim_start_matches("req_"));
        let id = self.id.get_or_insert_with(made_id);
        let response = MadeResponse {
            id,
            object: "response",
            created_at: self.created_at.unwrap_or(0),
            status,
            error: error.map(|error| MadeError { code: error.code, message: error.message }),
            incomplete_details: None,
            model: &settings.client_model,
            output: [],
            usage: None,
        };
        let event = MadeEvent { kind, sequence_number, response };
        out.extend_from_slice(format!("event: {kind}\ndata: ").as_bytes());
        // Strings and numbers into memory: there is nothing here that can fail.
        out.extend_from_slice(&serde_json::to_vec(&event).unwrap_or_default());
        out.extend_from_slice(b"\n\n");
    }
}

fn finished(report: &mut StreamReport, reason: &str) -> Then {
    report.note_finish(reason);
    Then::End(StreamEnd::Complete)
}

/// An event of ours that carries a response.
#[derive(Serialize)]
struct MadeEvent<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    sequence_number: u64,
    response: MadeResponse<'a>,
}

/// A response that has come to nothing.
#[derive(Serialize)]
struct MadeResponse<'a> {
    id: &'a str,
    object: &'static str,
    created_at: u64,
    status: &'a str,
    error: Option<MadeError<'a>>,
    incomplete_details: Option<()>,
    model: &'a str,
    output: [(); 0],
    usage: Option<()>,
}

#[derive(Serialize)]
struct MadeError<'a> {
    code: &'a str,
    message: &'a str,
}
