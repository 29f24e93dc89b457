//! The scan for the fields that decide about a request.

use std::ops::Range;

use maas_types::Operation;

use super::{Content, MAX_MODEL_CHARS, RequestError, can_stream, content_of};
use crate::scan::{Cursor, Kind, Value, scan_object};

/// The fields of a request that decide about rights, limits and routing, with the places a rewrite needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFields {
    /// The model the client asked for, decoded.
    pub model: String,
    /// Whether the answer is to be streamed; always false for operations that cannot stream.
    pub stream: bool,
    /// Whether the client wants the usage chunk at the end of the stream.
    pub include_usage: bool,
    pub max_tokens: Option<u64>,
    pub max_completion_tokens: Option<u64>,
    /// How many answers are asked for.
    pub n: Option<u64>,
    pub(super) model_range: Range<usize>,
    pub(super) stream_options: StreamOptions,
}

/// Where `stream_options` stands and what a rewrite finds there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum StreamOptions {
    #[default]
    Absent,
    Null(Range<usize>),
    Object {
        range: Range<usize>,
        empty: bool,
        include_usage: Option<Range<usize>>,
    },
}

impl RequestFields {
    /// Checks the whole body and takes out what `operation` needs. A field we look at may stand there only once.
    pub fn scan(body: &[u8], operation: Operation) -> Result<Self, RequestError> {
        std::str::from_utf8(body).map_err(|error| RequestError::InvalidUtf8 { offset: error.valid_up_to() })?;
        let content = content_of(operation);
        let mut found = Found::default();
        let kind = scan_object::<RequestError>(body, |cursor, key| {
            let key = key.bytes();
            match &*key {
                b"model" => once(&mut found.model, "model", cursor.value()?),
                b"stream" => once(&mut found.stream, "stream", cursor.value()?),
                b"stream_options" => found.stream_options(cursor),
                b"max_tokens" => once(&mut found.max_tokens, "max_tokens", cursor.value()?),
                b"max_completion_tokens" => {
                    once(&mut found.max_completion_tokens, "max_completion_tokens", cursor.value()?)
                }
                b"n" => once(&mut found.n, "n", cursor.value()?),
                // Some servers match names without regard to case and would see a second model here.
                other if other.eq_ignore_ascii_case(b"model") => Err(RequestError::DuplicateField { param: "model" }),
                other => match &content {
                    Some(content) if other == content.param.as_bytes() => {
                        once(&mut found.content, content.param, cursor.value()?)
                    }
                    _ => Ok(()),
                },
            }
        })?;
        if kind != Kind::Object {
            return Err(RequestError::NotAnObject);
        }
        if let Some(content) = &content {
            check_content(content, found.content)?;
        }
        found.into_fields(can_stream(operation))
    }
}

/// The raw values, before they are checked: which fault is reported must not depend on their order.
#[derive(Default)]
struct Found<'a> {
    model: Option<Value<'a>>,
    stream: Option<Value<'a>>,
    max_tokens: Option<Value<'a>>,
    max_completion_tokens: Option<Value<'a>>,
    n: Option<Value<'a>>,
    content: Option<Value<'a>>,
    options: Option<StreamOptions>,
    include_usage: bool,
}

impl<'a> Found<'a> {
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

    fn into_fields(self, can_stream: bool) -> Result<RequestFields, RequestError> {
        let (model, model_range) = checked_model(self.model)?;
        Ok(RequestFields {
            model,
            model_range,
            stream: can_stream && optional_bool(self.stream, "stream")?,
            include_usage: self.include_usage,
            max_tokens: optional_count(self.max_tokens, "max_tokens")?,
            max_completion_tokens: optional_count(self.max_completion_tokens, "max_completion_tokens")?,
            n: optional_count(self.n, "n")?,
            stream_options: self.options.unwrap_or_default(),
        })
    }
}

fn once<'a>(slot: &mut Option<Value<'a>>, param: &'static str, value: Value<'a>) -> Result<(), RequestError> {
    match slot.replace(value) {
        Some(_) => Err(RequestError::DuplicateField { param }),
        None => Ok(()),
    }
}

fn checked_model(value: Option<Value<'_>>) -> Result<(String, Range<usize>), RequestError> {
    const PARAM: &str = "model";
    let value = value.ok_or(RequestError::MissingField { param: PARAM })?;
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

fn check_content(content: &Content, value: Option<Value<'_>>) -> Result<(), RequestError> {
    let param = content.param;
    let value = value.ok_or(RequestError::MissingField { param })?;
    match value.kind() {
        Kind::Array if is_empty_array(value) => Err(RequestError::Empty { param }),
        Kind::Array => Ok(()),
        Kind::String if content.text_allowed => Ok(()),
        _ if content.text_allowed => Err(RequestError::WrongType { param, expected: "a string or an array" }),
        _ => Err(RequestError::WrongType { param, expected: "an array" }),
    }
}

/// Looks behind the bracket only; the array itself was already checked.
fn is_empty_array(value: Value<'_>) -> bool {
    let inside = value.raw().get(1..).unwrap_or_default();
    inside.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b']')
}

fn optional_bool(value: Option<Value<'_>>, param: &'static str) -> Result<bool, RequestError> {
    match value {
        None => Ok(false),
        Some(value) if value.kind() == Kind::Null => Ok(false),
        Some(value) => value.as_bool().ok_or(RequestError::WrongType { param, expected: "a boolean" }),
    }
}

/// A negative count is some servers' way to say "no limit", so it counts as absent and goes on untouched.
fn optional_count(value: Option<Value<'_>>, param: &'static str) -> Result<Option<u64>, RequestError> {
    let Some(value) = value.filter(|value| value.kind() != Kind::Null) else { return Ok(None) };
    if let Some(count) = value.as_whole() {
        return Ok(Some(count));
    }
    match value.as_f64() {
        Some(number) if number < 0.0 => Ok(None),
        _ => Err(RequestError::WrongType { param, expected: "a whole number" }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::scan::ScanError;

    fn chat(body: &str) -> Result<RequestFields, RequestError> {
        RequestFields::scan(body.as_bytes(), Operation::Chat)
    }

    #[test]
    fn the_fields_that_matter_are_found() {
        let fields = chat(
            r#"{"messages":[{"role":"user","content":"\"model\":\"no\""}],"mod\u0065l":"a/b","stream":true,"n":2,
                "max_tokens":-1,"max_completion_tokens":16.0,"stream_options":{"include_usage":true},"extra":{"model":1}}"#,
        )
        .unwrap();
        assert_eq!((fields.model.as_str(), fields.stream, fields.include_usage), ("a/b", true, true));
        assert_eq!((fields.n, fields.max_tokens, fields.max_completion_tokens), (Some(2), None, Some(16)));
    }

    #[test]
    fn nulls_count_as_absent() {
        let fields =
            chat(r#"{"model":"m","messages":[1],"stream":null,"stream_options":null,"n":null,"max_tokens":null}"#)
                .unwrap();
        assert_eq!((fields.stream, fields.include_usage, fields.n, fields.max_tokens), (false, false, None, None));
    }

    #[test]
    fn each_fault_names_its_field() {
        let cases = [
            (r#"{"messages":[1]}"#, Some("model"), "missing required field `model`"),
            (r#"{"model":"m"}"#, Some("messages"), "missing required field `messages`"),
            (r#"{"model":"m","messages":[ ]}"#, Some("messages"), "`messages` must not be empty"),
            (r#"{"model":"m","messages":"hi"}"#, Some("messages"), "`messages` must be an array"),
            (r#"{"model":"","messages":[1]}"#, Some("model"), "`model` must not be empty"),
            (r#"{"model":7,"messages":[1]}"#, Some("model"), "`model` must be a string"),
            (r#"{"model":"\ud800","messages":[1]}"#, Some("model"), "`model` must be a string"),
            (r#"{"model":"m","messages":[1],"stream":"yes"}"#, Some("stream"), "`stream` must be a boolean"),
            (r#"{"model":"m","messages":[1],"n":1.5}"#, Some("n"), "`n` must be a whole number"),
            (
                r#"{"model":"m","messages":[1],"stream_options":1}"#,
                Some("stream_options"),
                "`stream_options` must be an object",
            ),
            (r#"{"model":"m","messages":[1],"model":"x"}"#, Some("model"), "`model` is given more than once"),
            (r#"{"model":"m","messages":[1],"mode\u006c":"x"}"#, Some("model"), "`model` is given more than once"),
            (r#"{"model":"m","messages":[1],"Model":"x"}"#, Some("model"), "`model` is given more than once"),
            (r#"[1]"#, None, "the request body must be a JSON object"),
            (r#"{"model":"m",}"#, None, "the request body is not valid JSON: expected a string as key at byte 13"),
            ("", None, "the request body is not valid JSON: unexpected end of input at byte 0"),
        ];
        for (body, param, message) in cases {
            let error = chat(body).unwrap_err();
            assert_eq!((error.param(), error.to_string().as_str()), (param, message), "{body}");
        }
    }

    #[test]
    fn a_model_name_may_have_256_characters() {
        let body = |length| format!(r#"{{"model":"{}","messages":[1]}}"#, "ä".repeat(length));
        assert!(chat(&body(256)).is_ok());
        assert_eq!(chat(&body(257)), Err(RequestError::TooLong { param: "model", limit: 256 }));
    }

    #[test]
    fn hostile_nesting_is_refused() {
        let body = format!(r#"{{"model":"m","messages":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        assert!(matches!(chat(&body), Err(RequestError::InvalidJson(ScanError::TooDeep { .. }))));
    }

    #[test]
    fn every_operation_wants_its_own_content() {
        let scan = |body: &str, operation| RequestFields::scan(body.as_bytes(), operation).map(drop);
        assert_eq!(scan(r#"{"model":"m","prompt":"x"}"#, Operation::Completion), Ok(()));
        assert_eq!(scan(r#"{"model":"m","input":["x"]}"#, Operation::Embeddings), Ok(()));
        assert_eq!(
            scan(r#"{"model":"m","input":null}"#, Operation::Embeddings),
            Err(RequestError::WrongType { param: "input", expected: "a string or an array" })
        );
        assert_eq!(
            scan(r#"{"model":"m","messages":[1]}"#, Operation::Completion),
            Err(RequestError::MissingField { param: "prompt" })
        );
    }

    #[test]
    fn embeddings_never_stream() {
        let fields = RequestFields::scan(br#"{"model":"m","input":"x","stream":true}"#, Operation::Embeddings).unwrap();
        assert!(!fields.stream);
    }
}
