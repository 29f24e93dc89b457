//! One pass over one chunk: the facts go into the report, the places to change come back.

use std::ops::Range;

use super::StreamReport;
use crate::{
    error::{UpstreamErrorInfo, read_error_object},
    scan::{Cursor, Kind, ScanError, scan_object},
    usage::UsageRead,
};

/// What the filter must know of a chunk to decide about it.
#[derive(Debug, Default)]
pub(super) struct ChunkFacts {
    /// Model names that differ from the one the client asked for.
    pub foreign_models: Vec<Range<usize>>,
    pub usage: Option<(UsageRead, Range<usize>)>,
    pub choices: Choices,
    pub error: Option<UpstreamErrorInfo>,
    /// Just behind the opening brace.
    pub inside: usize,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Choices {
    #[default]
    Missing,
    /// Something that is not an array stands there, `null` for example.
    NotAnArray(Range<usize>),
    Empty,
    Some,
}

/// The members that a chunk made by us must share with the upstream's, as they stood in its first chunk.
#[derive(Debug, Default)]
pub(super) struct ChunkTemplate {
    pub id: Option<Vec<u8>>,
    pub object: Option<Vec<u8>>,
    pub created: Option<Vec<u8>>,
}

/// Reads one chunk; `None` if it is a JSON value of another kind.
pub(super) fn read_chunk(
    data: &[u8],
    client_model: &str,
    report: &mut StreamReport,
    template: &mut ChunkTemplate,
) -> Result<Option<ChunkFacts>, ScanError> {
    let mut facts = ChunkFacts::default();
    let mut flat_error = false;
    let kind = scan_object::<ScanError>(data, |cursor, key| {
        match &*key.bytes() {
            b"id" => read_id(cursor, report, template)?,
            b"object" => {
                let value = cursor.value()?;
                flat_error = value.as_text().is_some_and(|text| text.is("error"));
                template.object.get_or_insert_with(|| value.raw().to_vec());
            }
            b"created" => {
                let value = cursor.value()?;
                template.created.get_or_insert_with(|| value.raw().to_vec());
            }
            b"model" => {
                let value = cursor.value()?;
                if !value.as_text().is_some_and(|text| text.is(client_model)) {
                    facts.foreign_models.push(value.range());
                }
            }
            b"usage" => {
                let kind = cursor.peek()?;
                let start = cursor.offset();
                let read = match kind {
                    // As most chunks have it.
                    Kind::Null => cursor.value().map(|_| UsageRead::Null)?,
                    _ => read_usage(cursor, report)?,
                };
                facts.usage = Some((read, start..cursor.offset()));
            }
            b"choices" => {
                cursor.peek()?;
                let start = cursor.offset();
                facts.choices = match report.choices.read(cursor)? {
                    None => Choices::NotAnArray(start..cursor.offset()),
                    Some(0) => Choices::Empty,
                    Some(_) => Choices::Some,
                };
            }
            b"error" if cursor.peek()? != Kind::Null => {
                let mut error = UpstreamErrorInfo::default();
                read_error_object(&mut error, cursor)?;
                facts.error = Some(error.finished());
            }
            _ => {}
        }
        Ok(())
    })?;
    if flat_error && facts.error.is_none() {
        facts.error = Some(crate::error::parse_upstream_error(data));
    }
    facts.inside = data.iter().position(|byte| *byte == b'{').map_or(0, |brace| brace + 1);
    Ok((kind == Kind::Object).then_some(facts))
}

/// Into a copy, so that half of a broken report does not count.
fn read_usage(cursor: &mut Cursor<'_>, report: &mut StreamReport) -> Result<UsageRead, ScanError> {
    let mut usage = report.usage;
    let read = usage.read(cursor)?;
    report.usage = usage;
    Ok(read)
}

fn read_id(cursor: &mut Cursor<'_>, report: &mut StreamReport, template: &mut ChunkTemplate) -> Result<(), ScanError> {
    let value = cursor.value()?;
    if template.id.is_none() {
        template.id = Some(value.raw().to_vec());
        if let Some(id) = value.as_text().and_then(|text| text.decode()) {
            report.note_upstream_id(&id);
        }
    }
    Ok(())
}

/// The whole member that has its value at `value` in `object`, with one comma: what must go for it to be gone.
pub(super) fn member_of(object: &[u8], value: &Range<usize>) -> Range<usize> {
    let before = object.get(..value.start).unwrap_or_default();
    // The name is known, so it has no escaped quotes.
    let key_end = memchr::memrchr(b'"', before).unwrap_or(0);
    let key = memchr::memrchr(b'"', before.get(..key_end).unwrap_or_default()).unwrap_or(0);
    let lead = object.get(..key).unwrap_or_default().trim_ascii_end();
    if lead.ends_with(b",") {
        return lead.len() - 1..value.end;
    }
    let rest = object.get(value.end..).unwrap_or_default();
    let spaces = rest.len() - rest.trim_ascii_start().len();
    let comma = usize::from(rest.get(spaces) == Some(&b','));
    key..value.end + (spaces + 1) * comma
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_member_goes_with_one_comma() {
        let without = |object: &str| {
            let mut range = 0..0;
            scan_object::<ScanError>(object.as_bytes(), |cursor, key| {
                if key.is("usage") {
                    range = cursor.value()?.range();
                }
                Ok(())
            })
            .unwrap();
            let member = member_of(object.as_bytes(), &range);
            [&object[..member.start], &object[member.end..]].concat()
        };
        assert_eq!(without(r#"{"a":1,"usage":null}"#), r#"{"a":1}"#);
        assert_eq!(without(r#"{"a":1 , "us\u0061ge" : null , "b":2}"#), r#"{"a":1  , "b":2}"#);
        assert_eq!(without(r#"{ "usage":{"x":[1]} , "b":2}"#), r#"{  "b":2}"#);
        assert_eq!(without(r#"{"usage":null}"#), "{}");
    }
}
