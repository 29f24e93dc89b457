//! What a stream has told so far.

use maas_types::{TokenCounts, UsageQuality};

use crate::{choices::ChoicesSeen, error::UpstreamErrorInfo, usage::UsageCollector};

/// The longest upstream id that is kept, in bytes.
pub(crate) const MAX_UPSTREAM_ID: usize = 256;

/// Facts about a stream, for metering and logs. Complete only once the stream has ended, but true at any time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamReport {
    pub usage: UsageCollector,
    /// The upstream's terminal event was seen: `[DONE]`, `message_stop`, `response.completed` and the like.
    pub done_seen: bool,
    /// The upstream's own id of the answer.
    pub upstream_id: Option<String>,
    /// The error that the upstream sent as data.
    pub upstream_error: Option<UpstreamErrorInfo>,
    /// Whole images that went by.
    pub images: u64,
    pub(crate) choices: ChoicesSeen,
}

/// What a filter tells of a stream whose language has no `choices`.
impl StreamReport {
    /// So many bytes of text, reasoning or tool-call arguments went by, decoded.
    pub(crate) const fn note_text(&mut self, bytes: usize) {
        self.choices.add_bytes(bytes);
    }

    /// A tool call has begun, also if it has no arguments.
    pub(crate) const fn note_tool_call(&mut self) {
        self.choices.content = true;
    }

    /// Sound or a picture was produced.
    pub(crate) const fn note_media(&mut self) {
        self.choices.content = true;
    }

    /// The one answer of the stream has its reason to end; usage may still come. The last reason counts.
    pub(crate) fn note_finish(&mut self, reason: &str) {
        self.choices.finish(reason);
    }

    /// The first id counts, and one that is too long is not kept.
    pub(crate) fn note_upstream_id(&mut self, id: &str) {
        if self.upstream_id.is_none() && id.len() <= MAX_UPSTREAM_ID {
            self.upstream_id = Some(id.to_owned());
        }
    }
}

impl StreamReport {
    /// Something was produced. The time to the first token ends with the push after which this is true.
    pub const fn content_seen(&self) -> bool {
        self.choices.content
    }

    /// The bytes of text, reasoning and tool-call arguments that went by, decoded.
    pub const fn relayed_bytes(&self) -> u64 {
        self.choices.content_bytes
    }

    pub fn finish_reason(&self) -> Option<&str> {
        self.choices.finish_reason.as_deref()
    }

    /// Every choice has its finish reason, or the upstream said that it was done.
    pub const fn is_finished(&self) -> bool {
        self.upstream_error.is_none() && (self.done_seen || self.choices.all_finished())
    }

    pub const fn quality(&self) -> UsageQuality {
        match (self.usage.is_reported(), self.done_seen || self.is_finished(), self.content_seen()) {
            (true, true, _) => UsageQuality::Exact,
            (true, false, _) => UsageQuality::Partial,
            (false, _, true) => UsageQuality::Estimated,
            (false, _, false) => UsageQuality::None,
        }
    }

    /// The counts to book: what was reported, and where that is not final at least what was relayed. The input of an
    /// unreported request is not known here and stays zero.
    pub fn counts(&self) -> TokenCounts {
        let mut counts = self.usage.counts();
        counts.images = self.images;
        if self.quality() != UsageQuality::Exact {
            counts.output = counts.output.max(estimate_tokens(self.relayed_bytes()));
        }
        counts
    }
}

/// A rough count where no report came: four bytes of text make a token, and what is left over makes one more. Close
/// for English, high for scripts with three bytes a letter, so it rather overstates.
pub const fn estimate_tokens(bytes: u64) -> u64 {
    bytes.div_ceil(4)
}

/// A run of so many bytes without a space is no text but a file in base64.
const SHORTEST_FILE: usize = 1_024;
/// What a file is taken for: about what a picture of ordinary size costs at the large providers.
const TOKENS_OF_A_FILE: u64 = 1_000;

/// A rough count of a request's input, from the JSON of its content. Pictures and other files in it count as one each: a
/// token for each four bytes of base64 would be hundreds of times too much.
pub fn estimate_input_tokens(content: &[u8]) -> u64 {
    let (mut text_bytes, mut files) = (0, 0);
    let is_in_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=_-".contains(byte);
    for run in content.chunk_by(|one, other| is_in_base64(one) == is_in_base64(other)) {
        match run.len() >= SHORTEST_FILE && run.first().is_some_and(is_in_base64) {
            true => files += 1,
            false => text_bytes += run.len() as u64,
        }
    }
    estimate_tokens(text_bytes) + files * TOKENS_OF_A_FILE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_counts_as_one_and_not_by_its_bytes() {
        let picture = "iVBORw0K+/=".repeat(100_000);
        let content = format!(r#"[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{picture}"}}}}]"#);
        let estimated = estimate_input_tokens(content.as_bytes());
        assert!((1_000..1_100).contains(&estimated), "{estimated}");
        assert_eq!(estimate_input_tokens(b"four words of text"), 5);
    }
}
