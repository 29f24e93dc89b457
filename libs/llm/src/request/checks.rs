//! Checks on single values of a body.

use std::ops::Range;

use super::{
    MAX_MODEL_CHARS, RequestError,
    shape::{Allowed, Content},
};
use crate::scan::{Kind, Value};

pub(super) fn checked_model(value: Value<'_>) -> Result<(String, Range<usize>), RequestError> {
    const PARAM: &str = "model";
    let text = value.as_text().and_then(|text| text.decode());
    let model = text.ok_or(RequestError::WrongType { param: PARAM, expected: "a string" })?;
    if model.is_empty() {
        return Err(RequestError::Empty { param: PARAM });
    }
    if model.chars().nth(MAX_MODEL_CHARS).is_some() {
        return Err(RequestError::TooLong { param: PARAM, limit: MAX_MODEL_CHARS });
    }
    Ok((model.into_owned(), value.range()))
}

pub(super) fn check_content(content: &Content, value: Value<'_>) -> Result<(), RequestError> {
    let param = content.param;
    let expected = match (content.allowed, value.kind()) {
        (Allowed::Array | Allowed::TextOrArray | Allowed::ArrayOrObject, Kind::Array)
        | (Allowed::Text | Allowed::TextOrArray | Allowed::TextOrObject, Kind::String)
        | (Allowed::TextOrObject | Allowed::ArrayOrObject | Allowed::Object, Kind::Object) => return Ok(()),
        (Allowed::Array, _) => "an array",
        (Allowed::Text, _) => "a string",
        (Allowed::TextOrArray, _) => "a string or an array",
        (Allowed::TextOrObject, _) => "a string or an object",
        (Allowed::ArrayOrObject, _) => "an array or an object",
        (Allowed::Object, _) => "an object",
    };
    Err(RequestError::WrongType { param, expected })
}

/// Looks behind the bracket only; the array itself was already checked.
pub(super) fn is_empty_array(value: Value<'_>) -> bool {
    let inside = value.raw().get(1..).unwrap_or_default();
    value.kind() == Kind::Array && inside.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b']')
}

pub(super) fn optional_bool(value: Option<Value<'_>>, param: &'static str) -> Result<bool, RequestError> {
    match value {
        None => Ok(false),
        Some(value) if value.kind() == Kind::Null => Ok(false),
        Some(value) => value.as_bool().ok_or(RequestError::WrongType { param, expected: "a boolean" }),
    }
}

/// A negative count is some servers' way to say "no limit", so it counts as absent and goes on untouched.
pub(super) fn optional_count(value: Option<Value<'_>>, param: &'static str) -> Result<Option<u64>, RequestError> {
    let Some(value) = value.filter(|value| value.kind() != Kind::Null) else { return Ok(None) };
    if let Some(count) = value.as_whole() {
        return Ok(Some(count));
    }
    match value.as_f64() {
        Some(number) if number < 0.0 => Ok(None),
        _ => Err(RequestError::WrongType { param, expected: "a whole number" }),
    }
}

/// A name that the platform must understand: a string of at most `limit` bytes.
pub(super) fn optional_name(
    value: Option<Value<'_>>,
    param: &'static str,
    limit: usize,
) -> Result<Option<(String, Range<usize>)>, RequestError> {
    let Some(value) = value.filter(|value| value.kind() != Kind::Null) else { return Ok(None) };
    let text = value.as_text().and_then(|text| text.decode());
    let text = text.ok_or(RequestError::WrongType { param, expected: "a string" })?;
    match text.len() {
        0 => Err(RequestError::Empty { param }),
        length if length > limit => Err(RequestError::TooLong { param, limit }),
        _ => Ok(Some((text.into_owned(), value.range()))),
    }
}

/// Whether the member says anything: `null`, `""` and its absence do not.
pub(super) fn is_given(value: Option<Value<'_>>) -> bool {
    value.is_some_and(|value| value.kind() != Kind::Null && value.raw() != b"\"\"")
}
