//! Anthropic's message object: `https://docs.anthropic.com/en/api/messages`.

use super::Reading;
use crate::scan::{Cursor, Kind, ScanError};

/// Reads a message, whole or as `message_start` begins it.
pub(crate) fn read_message(reading: &mut Reading<'_>, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
    cursor.members(|cursor, key| message_member(reading, cursor, &key.bytes()))?;
    Ok(())
}

/// One member of a message.
pub(crate) fn message_member(reading: &mut Reading<'_>, cursor: &mut Cursor<'_>, key: &[u8]) -> Result<(), ScanError> {
    match key {
        b"model" => reading.model(cursor),
        b"id" => reading.id(cursor),
        b"usage" => reading.usage(cursor),
        b"stop_reason" => reading.finish(cursor),
        b"content" => cursor.elements(|cursor| read_block(reading, cursor)).map(drop),
        _ => Ok(()),
    }
}

/// Reads a content block, or the delta of one: both say what was produced under the same names. Signatures and
/// encrypted reasoning are no text.
pub(crate) fn read_block(reading: &mut Reading<'_>, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
    cursor.members::<ScanError>(|cursor, key| match &*key.bytes() {
        b"text" | b"thinking" | b"partial_json" | b"name" => reading.text(cursor),
        b"input" => {
            let input = cursor.value()?;
            // A stream begins each call with an empty object and sends the input in pieces.
            if input.kind() == Kind::Object && input.raw() != b"{}" {
                reading.report.note_text(input.raw().len());
            }
            Ok(())
        }
        b"type" => {
            if cursor.text()?.is_some_and(|kind| kind.bytes().ends_with(b"tool_use")) {
                reading.report.note_tool_call();
            }
            Ok(())
        }
        _ => Ok(()),
    })?;
    Ok(())
}
