//! Bodies of requests: the client's, read into types that borrow from it, and the upstream's, written from them.
//!
//! What is wrong with a body is said with its place. The texts name members and types and never repeat a value: it may be
//! a prompt.

mod content;

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};
use serde_path_to_error::{Path, Segment};

pub(super) use self::content::{Content, Joined};
use super::TranslationError;
use crate::scan::{Kind, ScanError, scan_object};

/// The longest member name that is repeated to the client, in characters.
const MAX_NAME_CHARS: usize = 64;

/// A string that is copied only if it has escapes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub(super) struct BorrowedText<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl std::ops::Deref for BorrowedText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Reads the whole body. Errors carry the path of the value at fault, as in `messages.0.content.1.source`.
pub(super) fn read_request<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, TranslationError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let request = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| fault(&error))?;
    deserializer.end().map_err(|error| TranslationError::from_json(&error))?;
    Ok(request)
}

/// Writes a body that says what one of `size` bytes has said. There is room for the longer words of the other language, so
/// that a large body is not copied once more to grow.
pub(super) fn write_request(request: &impl Serialize, size: usize) -> Result<Vec<u8>, TranslationError> {
    let mut out = Vec::with_capacity(size + size / 64 + 1_024);
    serde_json::to_writer(&mut out, request).map_err(|error| TranslationError::from_json(&error))?;
    Ok(out)
}

/// Refuses a body with a top-level member that is not known and not null: nobody could say what leaving it out means.
pub(super) fn refuse_unknown_members(body: &[u8], known: &[&[&str]]) -> Result<(), TranslationError> {
    let mut unknown = None;
    let scanned = scan_object::<ScanError>(body, |cursor, key| {
        let is_known = || known.iter().copied().flatten().any(|name| key.is(name));
        if unknown.is_none() && cursor.peek()? != Kind::Null && !is_known() {
            unknown = Some(String::from_utf8_lossy(&key.bytes()).chars().take(MAX_NAME_CHARS).collect::<String>());
        }
        Ok(())
    });
    match (scanned, unknown) {
        (Err(error), _) => Err(TranslationError::Invalid {
            param: None,
            message: format!("the request body is not valid JSON: {error}"),
        }),
        (Ok(_), Some(name)) => Err(TranslationError::unsupported(name, "this model's upstream has nothing like it")),
        (Ok(_), None) => Ok(()),
    }
}

impl TranslationError {
    /// A value that its own API does not allow: `rule` goes on after the name, as in "must be a string".
    pub(super) fn breaks_rule(param: &str, rule: &str) -> Self {
        Self::invalid(param, format!("`{param}` {rule}"))
    }

    /// The same error, seen from where `place` is known.
    pub(super) fn inside(self, place: impl fmt::Display) -> Self {
        match self {
            Self::Unsupported { param, reason } => Self::Unsupported { param: format!("{place}.{param}"), reason },
            Self::Invalid { param: Some(param), message } => {
                let full = format!("{place}.{param}");
                let message = message.replacen(&format!("`{param}`"), &format!("`{full}`"), 1);
                Self::Invalid { param: Some(full), message }
            }
            Self::Invalid { param: None, message } => Self::Invalid { param: Some(place.to_string()), message },
        }
    }
}

/// The text of an error for a member that must be there, as serde writes it; [`fault`] makes the path from it.
pub(super) fn missing(member: &str) -> String {
    format!("missing field `{member}`")
}

fn fault(error: &serde_path_to_error::Error<serde_json::Error>) -> TranslationError {
    if !error.inner().is_data() {
        return TranslationError::from_json(error.inner());
    }
    let text = error.inner().to_string();
    let mut param = dotted(error.path());
    if let Some(member) = between(&text, "missing field `", "`") {
        push_segment(&mut param, member);
        return TranslationError::invalid(param.clone(), format!("missing required field `{param}`"));
    }
    // What serde expected stands last; what it found instead, the client's value, stands before it.
    let without_place = text.rsplit_once(" at line ").map_or(&*text, |(text, _)| text);
    // Without it the text is our own, or serde's about members: both repeat no value.
    let what = match without_place.rsplit_once(", expected ") {
        Some((_, expected)) => format!("must be {}", plain_words(expected)),
        None => format!("is wrong: {without_place}"),
    };
    if param.is_empty() {
        return TranslationError::Invalid { param: None, message: format!("the request body {what}") };
    }
    TranslationError::breaks_rule(&param, &what)
}

fn plain_words(expected: &str) -> &str {
    match expected {
        "u64" => "a whole number that is not negative",
        "f64" => "a number",
        "a sequence" => "a list",
        "any valid JSON value" => "a JSON value",
        other => other,
    }
}

fn dotted(path: &Path) -> String {
    let mut dotted = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => push_segment(&mut dotted, &index.to_string()),
            Segment::Map { key } => push_segment(&mut dotted, key),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    dotted
}

fn push_segment(path: &mut String, segment: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(segment);
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.strip_prefix(before)?.split(after).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(expecting = "an object")]
    struct Body<'a> {
        #[serde(borrow)]
        items: Vec<Item<'a>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(expecting = "an object")]
    struct Item<'a> {
        #[serde(borrow)]
        name: BorrowedText<'a>,
        size: Option<u64>,
    }

    fn refused(body: &str) -> (Option<String>, String) {
        let error = read_request::<Body<'_>>(body.as_bytes()).unwrap_err();
        (error.param().map(str::to_owned), error.to_string())
    }

    #[test]
    fn a_wrong_type_is_named_by_its_path_and_never_by_its_value() {
        let (param, text) = refused(r#"{"items":[{"name":"a"},{"name":"b","size":"secret, expected u64 at line 1"}]}"#);
        assert_eq!(param.as_deref(), Some("items.1.size"));
        assert_eq!(text, "`items.1.size` must be a whole number that is not negative");
        assert_eq!(refused(r#"{"items":"secret"}"#).1, "`items` must be a list");
        assert_eq!(refused(r#""secret""#), (None, "the request body must be an object".to_owned()));
        let twice = (None, "the request body is wrong: duplicate field `items`".to_owned());
        assert_eq!(refused(r#"{"items":[],"items":["secret"]}"#), twice);
    }

    #[test]
    fn a_missing_member_is_named_by_where_it_should_stand() {
        let (param, text) = refused(r#"{"items":[{"size":3}]}"#);
        assert_eq!(param.as_deref(), Some("items.0.name"));
        assert_eq!(text, "missing required field `items.0.name`");
    }

    #[test]
    fn text_without_escapes_is_not_copied() {
        let body = r#"{"items":[{"name":"plain"},{"name":"tab\t"}]}"#;
        let read: Body<'_> = read_request(body.as_bytes()).unwrap();
        assert!(matches!(read.items[0].name.0, Cow::Borrowed(_)) && read.items[0].size.is_none());
        assert!(matches!(read.items[1].name.0, Cow::Owned(_)));
    }

    #[test]
    fn unknown_members_are_refused_unless_null() {
        assert_eq!(refuse_unknown_members(br#"{"a":1,"b":null}"#, &[&["a"]]), Ok(()));
        let error = refuse_unknown_members(br#"{"a":1,"b":false}"#, &[&["a"]]).unwrap_err();
        assert_eq!(error.param(), Some("b"));
        assert!(refuse_unknown_members(br#"{"a":1"#, &[&["a"]]).is_err());
    }
}
