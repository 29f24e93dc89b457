//! Anthropic's stream for Anthropic's clients: `https://docs.anthropic.com/en/docs/build-with-claude/streaming`.

use bytes::Bytes;

use super::{
    FilterSettings, StreamEnd, StreamReport,
    events::{EventError, EventLanguage, EventStreamFilter, Then},
};
use crate::{
    error::{ErrorBody, parse_upstream_error},
    objects::{Reading, read_block, read_message},
    scan::{Cursor, Kind, ScanError, scan_object},
};

/// The ping of this language, which its clients know as an event.
pub const MESSAGES_PING_FRAME: Bytes = Bytes::from_static(b"event: ping\ndata: {\"type\": \"ping\"}\n\n");

/// Relays a stream of Messages events; complete with `message_stop`.
pub(super) type MessagesStreamFilter = EventStreamFilter<MessagesEvents>;

impl MessagesStreamFilter {
    pub fn new(settings: FilterSettings) -> Self {
        Self::with_language(settings, MessagesEvents)
    }
}

/// `message_start` (model, input usage), `content_block_*`, `message_delta` (stop reason, output usage), `message_stop`;
/// `ping`, `error` and events that are not known yet may come at any time.
#[derive(Debug)]
pub(super) struct MessagesEvents;

impl EventLanguage for MessagesEvents {
    fn event(&mut self, name: &[u8], data: &[u8], reading: &mut Reading<'_>) -> Result<Then, EventError> {
        let mut stops = false;
        let mut fails = name == b"error";
        let kind = scan_object::<ScanError>(data, |cursor, key| match &*key.bytes() {
            b"type" => {
                let kind = cursor.text()?;
                stops |= kind.is_some_and(|kind| kind.is("message_stop"));
                fails |= kind.is_some_and(|kind| kind.is("error"));
                Ok(())
            }
            b"message" => read_message(reading, cursor),
            b"content_block" => read_block(reading, cursor),
            b"delta" => read_delta(reading, cursor),
            b"usage" => reading.usage(cursor),
            _ => Ok(()),
        });
        if fails {
            return Ok(Then::Fail(parse_upstream_error(data)));
        }
        match kind {
            Ok(Kind::Object) if stops => Ok(Then::End(StreamEnd::Complete)),
            Ok(Kind::Object) => Ok(Then::GoOn),
            _ => Err(EventError),
        }
    }

    fn done_mark(&mut self) -> Then {
        Then::Drop
    }

    fn is_complete(&self, _report: &StreamReport) -> bool {
        false
    }

    fn error(&mut self, error: &ErrorBody<'_>, _settings: &FilterSettings, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: error\ndata: ");
        out.extend_from_slice(&error.to_messages_json());
        out.extend_from_slice(b"\n\n");
    }

    fn ping(&self) -> Bytes {
        MESSAGES_PING_FRAME
    }
}

/// The delta of a block, or the one of the message that brings the stop reason.
fn read_delta(reading: &mut Reading<'_>, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
    let mut of_block = cursor.clone();
    read_block(reading, &mut of_block)?;
    cursor.members::<ScanError>(|cursor, key| match &*key.bytes() {
        b"stop_reason" => reading.finish(cursor),
        _ => Ok(()),
    })?;
    Ok(())
}
