//! A whole answer that was not streamed: what it counts, whether it is an error, and the model's name in it.

use bytes::Bytes;
use maas_types::{TokenCounts, UsageQuality};

use crate::{
    choices::ChoicesSeen,
    error::{UpstreamErrorInfo, read_error_object},
    scan::{Kind, ScanError, push_json_string, scan_object},
    splice::{Edit, splice_into},
    stream::estimate_tokens,
    usage::UsageCollector,
};

/// The longest upstream id that is kept.
const MAX_UPSTREAM_ID: usize = 256;

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
    /// The same buffer as came in, unless the model's name had to change.
    pub body: Bytes,
    pub usage: UsageCollector,
    pub upstream_id: Option<String>,
    /// An error that came under a status of success.
    pub error: Option<UpstreamErrorInfo>,
    choices: ChoicesSeen,
}

impl Answer {
    /// Reads `body` in one pass and puts the client's model name into it.
    pub fn read(body: &Bytes, client_model: &str) -> Result<Self, AnswerError> {
        let mut answer = Self {
            body: body.clone(),
            usage: UsageCollector::default(),
            upstream_id: None,
            error: None,
            choices: ChoicesSeen::default(),
        };
        let mut foreign_models = Vec::new();
        let kind = scan_object::<ScanError>(body, |cursor, key| {
            match &*key.bytes() {
                b"model" => {
                    let value = cursor.value()?;
                    if !value.as_text().is_some_and(|text| text.is(client_model)) {
                        foreign_models.push(value.range());
                    }
                }
                b"usage" => drop(answer.usage.read(cursor)?),
                b"choices" => drop(answer.choices.read(cursor)?),
                b"id" => {
                    let id = cursor.text()?.and_then(|text| text.decode());
                    answer.upstream_id = id.filter(|id| id.len() <= MAX_UPSTREAM_ID).map(Into::into);
                }
                b"error" if cursor.peek()? != Kind::Null => {
                    let mut error = UpstreamErrorInfo::default();
                    read_error_object(&mut error, cursor)?;
                    answer.error = Some(error.finished());
                }
                _ => {}
            }
            Ok(())
        })?;
        if kind != Kind::Object {
            return Err(AnswerError::NotAnObject);
        }
        if !foreign_models.is_empty() {
            let mut model = Vec::new();
            push_json_string(&mut model, client_model);
            let mut edits: Vec<_> = foreign_models.into_iter().map(|range| Edit::new(range, &model)).collect();
            let mut out = Vec::new();
            splice_into(&mut out, body, &mut edits);
            answer.body = out.into();
        }
        Ok(answer)
    }

    pub fn finish_reason(&self) -> Option<&str> {
        self.choices.finish_reason.as_deref()
    }

    pub const fn quality(&self) -> UsageQuality {
        match (self.usage.is_reported(), self.choices.content) {
            (true, _) => UsageQuality::Exact,
            (false, true) => UsageQuality::Estimated,
            (false, false) => UsageQuality::None,
        }
    }

    /// The counts to book; without a report the output is estimated from the text, and the input stays zero.
    pub fn counts(&self) -> TokenCounts {
        let mut counts = self.usage.counts();
        if self.quality() == UsageQuality::Estimated {
            counts.output = estimate_tokens(self.choices.content_bytes);
        }
        counts
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const CHAT: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","model":"up","choices":[{"index":0,
        "message":{"role":"assistant","content":"hello you"},"finish_reason":"stop"}],
        "usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;

    #[test]
    fn the_model_is_renamed_and_the_rest_is_kept() {
        let answer = Answer::read(&Bytes::from_static(CHAT.as_bytes()), "mine/x").unwrap();
        assert_eq!(answer.body, CHAT.replace(r#""up""#, r#""mine/x""#));
        assert_eq!((answer.counts().input, answer.counts().output), (3, 2));
        assert_eq!((answer.quality(), answer.finish_reason()), (UsageQuality::Exact, Some("stop")));
        assert_eq!(answer.upstream_id.as_deref(), Some("chatcmpl-1"));
    }

    #[test]
    fn an_answer_under_the_right_name_is_the_same_buffer() {
        let body = Bytes::from_static(CHAT.as_bytes());
        assert_eq!(Answer::read(&body, "up").unwrap().body.as_ptr(), body.as_ptr());
    }

    #[test]
    fn embeddings_report_their_input() {
        let body = Bytes::from_static(br#"{"object":"list","data":[{"embedding":[0.1,-2e-3]}],"model":"e","usage":{"prompt_tokens":8,"total_tokens":8}}"#);
        let counts = Answer::read(&body, "e").unwrap().counts();
        assert_eq!((counts.input, counts.output), (8, 0));
    }

    #[test]
    fn without_a_report_the_text_is_counted() {
        let body = Bytes::from_static(br#"{"choices":[{"text":"12345678"}]}"#);
        let answer = Answer::read(&body, "m").unwrap();
        assert_eq!((answer.quality(), answer.counts().output), (UsageQuality::Estimated, 2));
    }

    #[test]
    fn errors_under_a_status_of_success_are_seen() {
        let body = Bytes::from_static(br#"{"error":{"message":"no","code":500}}"#);
        let error = Answer::read(&body, "m").unwrap().error.unwrap();
        assert_eq!((error.message.as_str(), error.code.as_deref()), ("no", Some("500")));
        assert_eq!(Answer::read(&Bytes::from_static(b"[1]"), "m"), Err(AnswerError::NotAnObject));
        assert!(matches!(Answer::read(&Bytes::from_static(b"<p>"), "m"), Err(AnswerError::InvalidJson(_))));
    }
}
