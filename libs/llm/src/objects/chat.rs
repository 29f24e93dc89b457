//! OpenAI's answers to everything but Responses, and the answers that are modelled on them: chat completions,
//! completions, embeddings, rerank (Jina, Cohere, vLLM), images, transcriptions, moderations.

use super::Reading;
use crate::scan::{Cursor, ScanError};

/// One member of such an answer; `error` is the caller's.
pub(crate) fn chat_or_plain_member(
    reading: &mut Reading<'_>,
    cursor: &mut Cursor<'_>,
    key: &[u8],
) -> Result<(), ScanError> {
    match key {
        b"model" => reading.model(cursor),
        b"id" => reading.id(cursor),
        b"usage" => reading.usage(cursor),
        // Cohere counts beside the answer, not in a usage object.
        b"meta" => reading.report.usage.read_meta(cursor),
        b"choices" => reading.report.choices.read(cursor).map(drop),
        // A transcription.
        b"text" => reading.text(cursor),
        b"data" => cursor.elements(|cursor| read_datum(reading, cursor)).map(drop),
        _ => Ok(()),
    }
}

/// An element of `data` is an image if it has one; embeddings have something else.
fn read_datum(reading: &mut Reading<'_>, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
    let mut is_image = false;
    cursor.members::<ScanError>(|cursor, key| {
        if matches!(&*key.bytes(), b"b64_json" | b"url") {
            is_image |= cursor.text()?.is_some_and(|text| !text.is_empty());
        }
        Ok(())
    })?;
    if is_image {
        reading.report.note_media();
        reading.report.images += 1;
    }
    Ok(())
}
