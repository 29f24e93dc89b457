//! The names under which providers report counts.

use super::{Counted, UsageCollector};
use crate::scan::{Cursor, Kind, ScanError};

/// Larger counts than any request can have are taken for nonsense.
const MAX_PLAUSIBLE_TOKENS: u64 = 1_000_000_000;

/// What stood in one `usage` member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UsageRead {
    Null,
    Incomplete,
    /// It alone has both counts, in OpenAI's words for chat.
    Complete,
}

impl UsageCollector {
    /// Takes in one usage object. Bytes that are no JSON object change nothing.
    pub fn observe(&mut self, usage: &[u8]) {
        // Read into a copy, so that half of a broken report does not count.
        let mut next = *self;
        if next.read(&mut Cursor::new(usage)).is_ok() {
            *self = next;
        }
    }

    /// Takes in the value at the cursor and moves past it.
    pub(crate) fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<UsageRead, ScanError> {
        let (mut prompt, mut completion) = (false, false);
        let kind = cursor.members::<ScanError>(|cursor, key| {
            match &*key.bytes() {
                b"prompt_tokens" => prompt = take(&mut self.prompt, cursor)?,
                b"completion_tokens" => completion = take(&mut self.output, cursor)?,
                b"total_tokens" => drop(take(&mut self.total, cursor)?),
                b"input_tokens" => drop(take(&mut self.input, cursor)?),
                b"output_tokens" => drop(take(&mut self.output, cursor)?),
                b"cache_read_input_tokens" => drop(take(&mut self.cache_read, cursor)?),
                b"cache_creation_input_tokens" => drop(take(&mut self.cache_creation, cursor)?),
                // Transcriptions write the second without its s.
                b"prompt_tokens_details" | b"input_tokens_details" | b"input_token_details" => {
                    self.read_input_details(cursor)?;
                }
                b"completion_tokens_details" | b"output_tokens_details" | b"output_token_details" => {
                    self.read_output_details(cursor)?;
                }
                b"seconds" => self.has_duration |= cursor.value()?.as_f64().is_some_and(|seconds| seconds >= 0.0),
                _ => {}
            }
            Ok(())
        })?;
        Ok(match kind {
            Kind::Null => UsageRead::Null,
            _ if prompt && completion => UsageRead::Complete,
            _ => UsageRead::Incomplete,
        })
    }

    /// Takes in Cohere's `meta`: `{"billed_units":{"input_tokens"},"tokens":{"input_tokens","output_tokens"}}`.
    pub(crate) fn read_meta(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
        cursor.members::<ScanError>(|cursor, key| match &*key.bytes() {
            b"billed_units" => self.billed.read(cursor),
            b"tokens" => self.counted.read(cursor),
            _ => Ok(()),
        })?;
        Ok(())
    }

    fn read_input_details(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
        cursor.members::<ScanError>(|cursor, key| {
            match &*key.bytes() {
                b"cached_tokens" => drop(take(&mut self.cached, cursor)?),
                b"audio_tokens" => drop(take(&mut self.audio_input, cursor)?),
                // Tokens of text and pictures are priced like all input.
                _ => {}
            }
            Ok(())
        })?;
        Ok(())
    }

    fn read_output_details(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
        cursor.members::<ScanError>(|cursor, key| {
            match &*key.bytes() {
                b"reasoning_tokens" => drop(take(&mut self.reasoning, cursor)?),
                b"audio_tokens" => drop(take(&mut self.audio_output, cursor)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(())
    }
}

impl Counted {
    fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
        cursor.members::<ScanError>(|cursor, key| {
            match &*key.bytes() {
                b"input_tokens" => drop(take(&mut self.input, cursor)?),
                b"output_tokens" => drop(take(&mut self.output, cursor)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(())
    }
}

fn take(slot: &mut Option<u64>, cursor: &mut Cursor<'_>) -> Result<bool, ScanError> {
    let count = cursor.value()?.as_whole().filter(|count| *count <= MAX_PLAUSIBLE_TOKENS);
    *slot = count.or(*slot);
    Ok(count.is_some())
}
