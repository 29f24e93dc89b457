//! One pass over one chunk: the facts go into the report, the places to change come back.

use std::ops::Range;

use super::StreamReport;
use crate::{
    error::{UpstreamErrorInfo, read_error_object},
    scan::{Cursor, Kind, ScanError, scan_object},
    usage::UsageRead,
};

/// The longest upstream id that is kept.
const MAX_UPSTREAM_ID: usize = 256;

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
                cursor.peek()?;
                let start = cursor.offset();
                // Into a copy, so that half of a broken report does not count.
                let mut usage = report.usage;
                let read = usage.read(cursor)?;
                report.usage = usage;
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

fn read_id(cursor: &mut Cursor<'_>, report: &mut StreamReport, template: &mut ChunkTemplate) -> Result<(), ScanError> {
    let value = cursor.value()?;
    if template.id.is_none() {
        template.id = Some(value.raw().to_vec());
        let text = value.as_text().and_then(|text| text.decode());
        report.upstream_id = text.filter(|id| id.len() <= MAX_UPSTREAM_ID).map(Into::into);
    }
    Ok(())
}
