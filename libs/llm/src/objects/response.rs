//! OpenAI's response object: `https://platform.openai.com/docs/api-reference/responses/object`.

use super::{Reading, read_error};
use crate::{
    error::UpstreamErrorInfo,
    scan::{Cursor, ScanError},
};

/// Whether the `output` of a response is text that nobody has counted yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Count,
    /// It repeats what the stream's deltas have said.
    Skip,
}

/// What a response says about itself, besides what goes into the report.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ResponseFacts {
    /// The id that the client sees.
    pub id: Option<String>,
    /// Unix seconds, as written.
    pub created_at: Option<u64>,
    /// `completed`, `incomplete`, `failed`, `in_progress`, …
    pub status: Option<String>,
    pub incomplete_reason: Option<String>,
    pub error: Option<UpstreamErrorInfo>,
}

/// Statuses and reasons are words.
const MAX_WORD: usize = 64;

/// Reads a response, whole or as an event carries it.
pub(crate) fn read_response(
    reading: &mut Reading<'_>,
    cursor: &mut Cursor<'_>,
    output: Output,
) -> Result<ResponseFacts, ScanError> {
    let mut facts = ResponseFacts::default();
    cursor.members(|cursor, key| response_member(reading, &mut facts, cursor, &key.bytes(), output))?;
    Ok(facts)
}

/// One member of a response.
pub(crate) fn response_member(
    reading: &mut Reading<'_>,
    facts: &mut ResponseFacts,
    cursor: &mut Cursor<'_>,
    key: &[u8],
    output: Output,
) -> Result<(), ScanError> {
    match key {
        b"model" => reading.model(cursor)?,
        b"usage" => reading.usage(cursor)?,
        b"id" => {
            if let Some((theirs, ours)) = reading.public_id(cursor)? {
                reading.report.note_upstream_id(&theirs);
                facts.id = Some(ours);
            }
        }
        b"previous_response_id" => drop(reading.public_id(cursor)?),
        b"created_at" => facts.created_at = cursor.value()?.as_whole(),
        b"status" => facts.status = word(cursor)?,
        b"error" => facts.error = read_error(cursor)?,
        b"incomplete_details" => {
            cursor.members::<ScanError>(|cursor, key| {
                if key.is("reason") {
                    facts.incomplete_reason = word(cursor)?;
                }
                Ok(())
            })?;
        }
        b"output" if output == Output::Count => drop(cursor.elements(|cursor| read_item(reading, cursor))?),
        _ => {}
    }
    Ok(())
}

/// Reads an item of the output: a message, reasoning, or a call. Its `text` and `refusal` stand one level deeper.
pub(crate) fn read_item(reading: &mut Reading<'_>, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
    cursor.members::<ScanError>(|cursor, key| match &*key.bytes() {
        b"content" | b"summary" => cursor.elements(|cursor| read_part(reading, cursor)).map(drop),
        b"name" | b"arguments" | b"input" => reading.text(cursor),
        b"type" => {
            if cursor.text()?.is_some_and(|kind| kind.bytes().ends_with(b"_call")) {
                reading.report.note_tool_call();
            }
            Ok(())
        }
        _ => Ok(()),
    })?;
    Ok(())
}

fn read_part(reading: &mut Reading<'_>, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
    cursor.members::<ScanError>(|cursor, key| match &*key.bytes() {
        b"text" | b"refusal" => reading.text(cursor),
        _ => Ok(()),
    })?;
    Ok(())
}

fn word(cursor: &mut Cursor<'_>) -> Result<Option<String>, ScanError> {
    let text = cursor.text()?.and_then(|text| text.decode());
    Ok(text.filter(|text| text.len() <= MAX_WORD).map(Into::into))
}
