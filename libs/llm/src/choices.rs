//! What was produced and whether it is finished; reads the `choices` of an answer or a chunk.

use crate::scan::{Cursor, Kind, ScanError};

/// The longest finish reason that is kept.
const MAX_FINISH_REASON: usize = 64;

/// What the choices seen so far amount to. A language without choices has one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ChoicesSeen {
    /// Bytes of text, reasoning and tool-call arguments, decoded.
    pub content_bytes: u64,
    /// Something was produced: text, reasoning or the start of a tool call.
    pub content: bool,
    pub finish_reason: Option<String>,
    /// One bit per choice; choices beyond the 63rd share the last.
    started: u64,
    finished: u64,
}

impl ChoicesSeen {
    /// Every choice that was begun has a finish reason.
    pub const fn all_finished(&self) -> bool {
        self.finished != 0 && self.started == self.finished
    }

    /// Something was produced, of so many bytes; nothing if there are none.
    pub const fn add_bytes(&mut self, bytes: usize) {
        if bytes > 0 {
            self.content = true;
            self.content_bytes = self.content_bytes.saturating_add(bytes as u64);
        }
    }

    /// The one choice has ended for this reason; a reason that is too long is not kept.
    pub fn finish(&mut self, reason: &str) {
        self.started |= 1;
        self.finished |= 1;
        if self.finish_reason.as_deref() != Some(reason) {
            self.finish_reason = Some(reason.to_owned()).filter(|reason| reason.len() <= MAX_FINISH_REASON);
        }
    }

    /// A choice was begun that has no finish reason yet.
    pub const fn any_unfinished(&self) -> bool {
        self.started != self.finished
    }

    /// Reads the value at the cursor and answers how many choices stand there; `None` if it is not an array.
    pub fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<usize>, ScanError> {
        let mut count = 0;
        let kind = cursor.elements::<ScanError>(|cursor| {
            count += 1;
            self.read_choice(cursor)
        })?;
        Ok((kind == Kind::Array).then_some(count))
    }

    fn read_choice(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
        let (mut index, mut finished) = (0, false);
        cursor.members::<ScanError>(|cursor, key| {
            match &*key.bytes() {
                b"index" => index = cursor.value()?.as_whole().unwrap_or(0).min(63),
                b"delta" | b"message" => self.read_message(cursor)?,
                b"text" => self.add_text(cursor)?,
                b"finish_reason" => finished = self.read_finish_reason(cursor)?,
                _ => {}
            }
            Ok(())
        })?;
        self.started |= 1 << index;
        self.finished |= u64::from(finished) << index;
        Ok(())
    }

    fn read_finish_reason(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, ScanError> {
        let Some(reason) = cursor.text()?.filter(|text| !text.is_empty()) else { return Ok(false) };
        if reason.decode().is_none_or(|reason| self.finish_reason.as_deref() != Some(&*reason)) {
            self.finish_reason = reason.decode().filter(|text| text.len() <= MAX_FINISH_REASON).map(Into::into);
        }
        Ok(true)
    }

    fn read_message(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
        cursor.members::<ScanError>(|cursor, key| match &*key.bytes() {
            b"content" | b"reasoning" | b"reasoning_content" | b"refusal" => self.add_text(cursor),
            b"tool_calls" => cursor.elements::<ScanError>(|cursor| self.read_tool_call(cursor)).map(drop),
            b"function_call" => self.read_function(cursor),
            _ => Ok(()),
        })?;
        Ok(())
    }

    fn read_tool_call(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
        self.content = true;
        cursor
            .members::<ScanError>(|cursor, key| if key.is("function") { self.read_function(cursor) } else { Ok(()) })?;
        Ok(())
    }

    fn read_function(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
        cursor.members::<ScanError>(|cursor, key| match &*key.bytes() {
            b"name" | b"arguments" => self.add_text(cursor),
            _ => Ok(()),
        })?;
        Ok(())
    }

    fn add_text(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
        if let Some(text) = cursor.text()? {
            self.add_bytes(text.decoded_len());
        }
        Ok(())
    }
}
