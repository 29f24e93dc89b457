//! The scan for the fields that decide about a request.

use std::ops::Range;

use maas_types::Operation;

use super::{
    RequestError,
    checks::{check_content, checked_model, is_empty_array, is_given, optional_bool, optional_count, optional_name},
    found::{Found, StreamOptions},
    shape::{Shape, Streams, shape_of},
};
use crate::scan::{Kind, Value, scan_object};

/// The longest id of an earlier response, in bytes: longer than any that is given out here.
pub const MAX_RESPONSE_ID_BYTES: usize = 1024;

/// The longest cache key that is used, in bytes.
pub const MAX_CACHE_KEY_BYTES: usize = 512;

/// The fields of a request that decide about rights, limits and routing, with the places a rewrite needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFields {
    /// The model the client asked for, decoded.
    pub model: String,
    /// Whether the answer is to be streamed; always false for operations that cannot stream.
    pub stream: bool,
    /// Whether the client wants the usage chunk at the end of the stream. Means something for chat and completions only.
    pub include_usage: bool,
    /// The most tokens that one answer may have, in whichever field the operation says it; the greatest if in several.
    pub output_cap: Option<u64>,
    /// How many answers are asked for.
    pub n: Option<u64>,
    /// Responses: the answer is to be made while nobody waits.
    pub background: bool,
    /// Responses: the request is to go on with a conversation that the upstream keeps.
    pub conversation: bool,
    /// Responses: the earlier answer to go on from, decoded, and where it stands, with its quotes.
    pub previous_response_id: Option<(String, Range<usize>)>,
    /// Requests with the same key share a beginning. Longer than [`MAX_CACHE_KEY_BYTES`], it is not used.
    pub prompt_cache_key: Option<String>,
    /// Where the content stands in the body (messages, input, prompt, documents); empty if it is not known.
    pub content: Range<usize>,
    pub(super) model_range: Range<usize>,
    pub(super) stream_options: StreamOptions,
}

impl RequestFields {
    /// Checks the whole body and takes out what `operation` needs. A field we look at may stand there only once.
    pub fn scan(body: &[u8], operation: Operation) -> Result<Self, RequestError> {
        std::str::from_utf8(body).map_err(|error| RequestError::InvalidUtf8 { offset: error.valid_up_to() })?;
        let shape = shape_of(operation);
        let mut found = Found::default();
        let kind = scan_object::<RequestError>(body, |cursor, key| found.member(shape, cursor, &key))?;
        if kind != Kind::Object {
            return Err(RequestError::NotAnObject);
        }
        Self::checked(&found, shape)
    }

    fn checked(found: &Found<'_>, shape: &Shape) -> Result<Self, RequestError> {
        let content = checked_contents(found, shape)?;
        let model = found.model.ok_or(match shape.model_often_left_out {
            true => RequestError::UnnamedModel,
            false => RequestError::MissingField { param: "model" },
        })?;
        let (model, model_range) = checked_model(model)?;
        Ok(Self {
            model,
            model_range,
            content,
            stream: asks_for_stream(found.stream, shape.streams)?,
            include_usage: found.include_usage,
            output_cap: output_cap(found, shape)?,
            n: optional_count(found.n, "n")?,
            background: optional_bool(found.background, "background")?,
            conversation: is_given(found.conversation),
            previous_response_id: optional_name(
                found.previous_response_id,
                "previous_response_id",
                MAX_RESPONSE_ID_BYTES,
            )?,
            prompt_cache_key: cache_key(found.prompt_cache_key),
            stream_options: match shape.streams {
                Streams::FlagWithOptions => found.options.clone().unwrap_or(StreamOptions::Absent),
                _ => StreamOptions::Foreign,
            },
        })
    }
}

/// Where the first content stands that is there.
fn checked_contents(found: &Found<'_>, shape: &Shape) -> Result<Range<usize>, RequestError> {
    let mut first = None;
    for (content, value) in shape.content.iter().zip(found.content) {
        let value = value.filter(|value| !(shape.any_content && value.kind() == Kind::Null));
        match value {
            Some(value) => {
                check_content(content, value)?;
                if is_empty_array(value) && !content.may_be_empty {
                    return Err(RequestError::Empty { param: content.param });
                }
                first = first.or(Some(value.range()));
            }
            None if shape.any_content => {}
            None => return Err(RequestError::MissingField { param: content.param }),
        }
    }
    match (first, shape.content) {
        (None, [content, ..]) => Err(RequestError::MissingField { param: content.param }),
        (first, _) => Ok(first.unwrap_or_default()),
    }
}

fn asks_for_stream(value: Option<Value<'_>>, streams: Streams) -> Result<bool, RequestError> {
    match streams {
        Streams::Never => Ok(false),
        Streams::Flag | Streams::FlagWithOptions => optional_bool(value, "stream"),
        Streams::Format => Ok(value.and_then(|value| value.as_text()).is_some_and(|text| text.is("sse"))),
    }
}

fn output_cap(found: &Found<'_>, shape: &Shape) -> Result<Option<u64>, RequestError> {
    let mut greatest = None;
    for (param, value) in shape.caps.iter().zip(found.caps) {
        greatest = greatest.max(optional_count(value, param)?);
        if shape.cap_required && value.is_none_or(|value| value.kind() == Kind::Null) {
            return Err(RequestError::MissingField { param });
        }
    }
    Ok(greatest)
}

/// A hint for routing, not a rule: one that cannot be used is the upstream's to judge.
fn cache_key(value: Option<Value<'_>>) -> Option<String> {
    let key = value?.as_text()?.decode()?;
    (!key.is_empty() && key.len() <= MAX_CACHE_KEY_BYTES).then(|| key.into_owned())
}
