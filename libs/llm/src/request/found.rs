//! The walk over the body: raw values, before they are checked. Which fault is reported must not depend on their order.

use std::ops::Range;

use super::{
    RequestError,
    checks::optional_bool,
    shape::{Shape, Streams},
};
use crate::scan::{Cursor, Kind, Text, Value};

/// How many members a row of the table names at most, as content or as caps.
const MOST_NAMED: usize = 2;

#[derive(Default)]
pub(super) struct Found<'a> {
    pub model: Option<Value<'a>>,
    /// `stream`, or `stream_format` where that asks for a stream.
    pub stream: Option<Value<'a>>,
    pub n: Option<Value<'a>>,
    /// In the order of [`Shape::content`].
    pub content: [Option<Value<'a>>; MOST_NAMED],
    /// In the order of [`Shape::caps`].
    pub caps: [Option<Value<'a>>; MOST_NAMED],
    pub background: Option<Value<'a>>,
    pub conversation: Option<Value<'a>>,
    pub previous_response_id: Option<Value<'a>>,
    pub prompt_cache_key: Option<Value<'a>>,
    pub options: Option<StreamOptions>,
    pub include_usage: bool,
}

/// Where `stream_options` stands and what a rewrite finds there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum StreamOptions {
    /// The operation has no such options; what stands there under this name, if anything, is not ours to read.
    #[default]
    Foreign,
    Absent,
    Null(Range<usize>),
    Object {
        range: Range<usize>,
        empty: bool,
        include_usage: Option<Range<usize>>,
    },
}

/// The members of a stateful request that decide, all read by name. Some servers match names without regard to case and
/// would read another spelling of them, which nobody has checked.
const STATEFUL: [&str; 3] = ["previous_response_id", "background", "conversation"];

impl<'a> Found<'a> {
    /// Takes the member at the cursor if it is one that decides; the others are left to be skipped.
    pub fn member(&mut self, shape: &Shape, cursor: &mut Cursor<'a>, key: &Text<'a>) -> Result<(), RequestError> {
        match &*key.bytes() {
            b"model" => once(&mut self.model, "model", cursor.value()?),
            b"stream" if shape.streams != Streams::Format => once(&mut self.stream, "stream", cursor.value()?),
            b"stream_format" if shape.streams == Streams::Format => {
                once(&mut self.stream, "stream_format", cursor.value()?)
            }
            b"stream_options" if shape.streams == Streams::FlagWithOptions => self.stream_options(cursor),
            b"n" => once(&mut self.n, "n", cursor.value()?),
            b"prompt_cache_key" => once(&mut self.prompt_cache_key, "prompt_cache_key", cursor.value()?),
            b"previous_response_id" if shape.stateful => {
                once(&mut self.previous_response_id, "previous_response_id", cursor.value()?)
            }
            b"background" if shape.stateful => once(&mut self.background, "background", cursor.value()?),
            b"conversation" if shape.stateful => once(&mut self.conversation, "conversation", cursor.value()?),
            other => self.named_member(shape, cursor, other),
        }
    }

    fn named_member(&mut self, shape: &Shape, cursor: &mut Cursor<'a>, key: &[u8]) -> Result<(), RequestError> {
        for (content, slot) in shape.content.iter().zip(&mut self.content) {
            if key == content.param.as_bytes() {
                return once(slot, content.param, cursor.value()?);
            }
        }
        for (cap, slot) in shape.caps.iter().zip(&mut self.caps) {
            if key == cap.as_bytes() {
                return once(slot, cap, cursor.value()?);
            }
        }
        refuse_other_spellings(shape, key)
    }

    fn stream_options(&mut self, cursor: &mut Cursor<'a>) -> Result<(), RequestError> {
        const PARAM: &str = "stream_options";
        if self.options.is_some() {
            return Err(RequestError::DuplicateField { param: PARAM });
        }
        cursor.peek()?;
        let start = cursor.offset();
        let mut empty = true;
        let mut include_usage = None;
        let kind = cursor.members::<RequestError>(|cursor, key| {
            empty = false;
            if !key.is("include_usage") {
                return Ok(());
            }
            once(&mut include_usage, "stream_options.include_usage", cursor.value()?)
        })?;
        let range = start..cursor.offset();
        self.options = Some(match kind {
            Kind::Null => StreamOptions::Null(range),
            Kind::Object => {
                self.include_usage = optional_bool(include_usage, "stream_options.include_usage")?;
                StreamOptions::Object { range, empty, include_usage: include_usage.map(|value| value.range()) }
            }
            _ => return Err(RequestError::WrongType { param: PARAM, expected: "an object" }),
        });
        Ok(())
    }
}

/// A server that ignores case would see a second `model` here.
fn refuse_other_spellings(shape: &Shape, key: &[u8]) -> Result<(), RequestError> {
    if key.eq_ignore_ascii_case(b"model") {
        return Err(RequestError::DuplicateField { param: "model" });
    }
    let guarded = if shape.stateful { &STATEFUL[..] } else { &[] };
    match guarded.iter().find(|name| key.eq_ignore_ascii_case(name.as_bytes())) {
        Some(param) => Err(RequestError::DuplicateField { param }),
        None => Ok(()),
    }
}

fn once<'a>(slot: &mut Option<Value<'a>>, param: &'static str, value: Value<'a>) -> Result<(), RequestError> {
    match slot.replace(value) {
        Some(_) => Err(RequestError::DuplicateField { param }),
        None => Ok(()),
    }
}
