//! Reads the objects that whole answers and the events of streams have in common.
//!
//! A reader walks an object once: what it tells goes into the report, and where a name of ours must stand instead of the
//! upstream's is noted as an edit.

mod chat;
mod message;
mod response;

use std::ops::Range;

pub(crate) use chat::chat_or_plain_member;
pub(crate) use message::{message_member, read_block, read_message};
pub(crate) use response::{Output, ResponseFacts, read_item, read_response, response_member};

use crate::{
    error::{UpstreamErrorInfo, read_error_object},
    scan::{Cursor, Kind, ScanError, push_json_string},
    splice::{Edit, splice_into},
    stream::StreamReport,
};

/// How the client's names differ from the upstream's.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a> {
    /// The model, as the client asked for it.
    pub model: &'a str,
    /// Makes the id that the client is to see out of the upstream's.
    pub rename_id: Option<&'a dyn Fn(&str) -> String>,
}

/// One walk over one document.
pub(crate) struct Reading<'a> {
    names: Names<'a>,
    pub report: &'a mut StreamReport,
    pub edits: Edits,
}

impl<'a> Reading<'a> {
    pub const fn new(names: Names<'a>, report: &'a mut StreamReport) -> Self {
        Self { names, report, edits: Edits(Vec::new()) }
    }

    /// The name of a model: the client's is to stand there.
    pub fn model(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
        let value = cursor.value()?;
        if !value.as_text().is_some_and(|text| text.is(self.names.model)) {
            self.edits.text(value.range(), self.names.model);
        }
        Ok(())
    }

    /// The answer's own id, which stays.
    pub fn id(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
        if let Some(id) = cursor.text()?.and_then(|text| text.decode()) {
            self.report.note_upstream_id(&id);
        }
        Ok(())
    }

    /// An id that clients may use later: ours is to stand there. Answers both, the upstream's and what stands there now.
    pub fn public_id(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<(String, String)>, ScanError> {
        let value = cursor.value()?;
        let Some(theirs) = value.as_text().and_then(|text| text.decode()) else { return Ok(None) };
        let ours = match self.names.rename_id {
            Some(rename) => rename(&theirs),
            None => theirs.clone().into_owned(),
        };
        if ours != theirs {
            self.edits.text(value.range(), &ours);
        }
        Ok(Some((theirs.into_owned(), ours)))
    }

    pub fn usage(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
        self.report.usage.read(cursor).map(drop)
    }

    /// A string that the model has produced.
    pub fn text(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
        if let Some(text) = cursor.text()? {
            self.report.note_text(text.decoded_len());
        }
        Ok(())
    }

    /// Why the model stopped; `null` says that it has not.
    pub fn finish(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
        if let Some(reason) = cursor.text()?.filter(|text| !text.is_empty()) {
            self.report.note_finish(reason.decode().as_deref().unwrap_or_default());
        }
        Ok(())
    }
}

/// The value of an `error` member, which may be `null`.
pub(crate) fn read_error(cursor: &mut Cursor<'_>) -> Result<Option<UpstreamErrorInfo>, ScanError> {
    if cursor.peek()? == Kind::Null {
        return cursor.value().map(|_| None);
    }
    let mut error = UpstreamErrorInfo::default();
    read_error_object(&mut error, cursor)?;
    Ok(Some(error.finished()))
}

/// Texts to put in the place of others. Allocates nothing while it is empty.
#[derive(Debug)]
pub(crate) struct Edits(Vec<(Range<usize>, Vec<u8>)>);

impl Edits {
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends `source` with the edits applied to `out`.
    pub fn apply(&self, source: &[u8], out: &mut Vec<u8>) {
        let mut edits: Vec<_> = self.0.iter().map(|(range, with)| Edit::new(range.clone(), with)).collect();
        splice_into(out, source, &mut edits);
    }

    fn text(&mut self, range: Range<usize>, text: &str) {
        let mut json = Vec::with_capacity(text.len() + 2);
        push_json_string(&mut json, text);
        self.0.push((range, json));
    }
}
