//! A whole answer that was not streamed: what it counts, whether it is an error, and our names in it.

use bytes::Bytes;
use maas_types::{TokenCounts, UsageQuality};

use crate::{
    api::Api,
    error::{UpstreamErrorInfo, parse_upstream_error},
    objects::{
        Names, Output, Reading, ResponseFacts, chat_or_plain_member, message_member, read_error, response_member,
    },
    scan::{Kind, ScanError, scan_object},
    stream::{StreamReport, estimate_tokens},
    usage::UsageCollector,
};

/// What the client is to see.
#[derive(Clone, Copy)]
pub struct AnswerSettings<'a> {
    /// The language of the answer, upstream's and client's.
    pub api: Api,
    /// The name that the client asked for.
    pub client_model: &'a str,
    /// Makes our id of a response out of the upstream's; it goes into `id` and `previous_response_id` of Responses.
    pub rename_id: Option<&'a dyn Fn(&str) -> String>,
}

impl<'a> AnswerSettings<'a> {
    /// Settings under which ids stay as they are.
    pub const fn new(api: Api, client_model: &'a str) -> Self {
        Self { api, client_model, rename_id: None }
    }
}

/// Why an answer cannot be given to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    #[error("the answer is not valid JSON: {0}")]
    InvalidJson(#[from] ScanError),
    #[error("the answer is not a JSON object")]
    NotAnObject,
}

/// An upstream's answer, ready for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The same buffer as came in, unless a name had to change.
    pub body: Bytes,
    pub usage: UsageCollector,
    pub upstream_id: Option<String>,
    /// An error that came under a status of success. A response that has failed is none: its client gets it as it is,
    /// with the finish reason `failed`.
    pub error: Option<UpstreamErrorInfo>,
    report: StreamReport,
}

impl Answer {
    /// Reads `body` in one pass and puts the client's names into it.
    pub fn read(body: &Bytes, settings: &AnswerSettings<'_>) -> Result<Self, AnswerError> {
        let names = Names { model: settings.client_model, rename_id: settings.rename_id };
        let mut report = StreamReport::default();
        let mut reading = Reading::new(names, &mut report);
        let error = read_members(&mut reading, body, settings.api)?;
        let body = match reading.edits.is_empty() {
            true => body.clone(),
            false => {
                let mut out = Vec::new();
                reading.edits.apply(body, &mut out);
                out.into()
            }
        };
        Ok(Self { body, usage: report.usage, upstream_id: report.upstream_id.take(), error, report })
    }

    pub fn finish_reason(&self) -> Option<&str> {
        self.report.finish_reason()
    }

    pub const fn quality(&self) -> UsageQuality {
        match (self.usage.is_reported(), self.report.content_seen()) {
            (true, _) => UsageQuality::Exact,
            (false, true) => UsageQuality::Estimated,
            (false, false) => UsageQuality::None,
        }
    }

    /// The counts to book; without a report the output is estimated from the text, and the input stays zero.
    pub fn counts(&self) -> TokenCounts {
        let mut counts = self.usage.counts();
        counts.images = self.report.images;
        if self.quality() == UsageQuality::Estimated {
            counts.output = estimate_tokens(self.report.relayed_bytes());
        }
        counts
    }
}

/// Walks the answer; answers with the error that the body is, if it is one.
fn read_members(reading: &mut Reading<'_>, body: &[u8], api: Api) -> Result<Option<UpstreamErrorInfo>, AnswerError> {
    let mut response = ResponseFacts::default();
    let (mut error, mut flat_error) = (None, false);
    let kind = scan_object::<ScanError>(body, |cursor, key| {
        match (&*key.bytes(), api) {
            (key, Api::Responses) => response_member(reading, &mut response, cursor, key, Output::Count)?,
            (b"error", _) => error = read_error(cursor)?,
            (b"object", _) => flat_error = cursor.text()?.is_some_and(|text| text.is("error")),
            (key, Api::Messages) => message_member(reading, cursor, key)?,
            (key, Api::Chat | Api::Plain) => chat_or_plain_member(reading, cursor, key)?,
        }
        Ok(())
    })?;
    match kind {
        Kind::Object => {}
        // TEI's `/rerank` and `/tokenize` answer with a list alone: nothing in it reports usage or names a model.
        Kind::Array if api == Api::Plain => return Ok(None),
        _ => return Err(AnswerError::NotAnObject),
    }
    match response.status {
        // What has a status is a response, whatever became of it.
        Some(status) => reading.report.note_finish(response.incomplete_reason.as_ref().unwrap_or(&status)),
        None => error = error.or(response.error),
    }
    Ok(error.or_else(|| flat_error.then(|| parse_upstream_error(body))))
}

#[cfg(test)]
mod tests;
