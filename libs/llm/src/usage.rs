//! What an upstream says it has counted, in OpenAI's words.

use std::io::Write;

use maas_types::TokenCounts;

use crate::scan::{Cursor, Kind, ScanError};

/// Larger counts than any request can have are taken for nonsense.
const MAX_PLAUSIBLE_TOKENS: u64 = 1_000_000_000;

/// Gathers usage over the answer: the **last value per field** that was a number, never a sum. So usage that grows from
/// chunk to chunk and usage that comes once give the same counts.
///
/// Nulls, strings, fractions, negative and absurd numbers are passed over as if they were not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsageCollector {
    prompt: Option<u64>,
    completion: Option<u64>,
    total: Option<u64>,
    cached: Option<u64>,
    audio_input: Option<u64>,
    reasoning: Option<u64>,
    audio_output: Option<u64>,
}

impl UsageCollector {
    /// Takes in one usage object. Bytes that are no JSON object change nothing.
    pub fn observe(&mut self, usage: &[u8]) {
        // Read into a copy, so that half of a broken report does not count.
        let mut next = *self;
        if next.read(&mut Cursor::new(usage)).is_ok() {
            *self = next;
        }
    }

    /// Takes in the value at the cursor and moves past it. Answers whether this report alone was complete: the input
    /// and what came out of it.
    pub(crate) fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<UsageRead, ScanError> {
        let (mut prompt, mut completion) = (false, false);
        let kind = cursor.members::<ScanError>(|cursor, key| {
            match &*key.bytes() {
                b"prompt_tokens" => prompt = take(&mut self.prompt, cursor)?,
                b"completion_tokens" => completion = take(&mut self.completion, cursor)?,
                b"total_tokens" => drop(take(&mut self.total, cursor)?),
                b"prompt_tokens_details" => self.read_prompt_details(cursor)?,
                b"completion_tokens_details" => self.read_completion_details(cursor)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(match kind {
            Kind::Null => UsageRead::Null,
            _ if prompt && completion => UsageRead::Complete,
            _ => UsageRead::Incomplete,
        })
    }

    /// Whether the upstream has reported any count that can be billed.
    pub const fn is_reported(&self) -> bool {
        self.prompt.is_some() || self.completion.is_some() || self.total.is_some()
    }

    /// The counts in normal form: cached and audio input within the input, reasoning and audio output within the output.
    ///
    /// - A missing input or output is what the other leaves of the total; with the total alone, all of it is input (so
    ///   embeddings report).
    /// - If both are there, the total is not believed against them, with one exception: when it is exactly input plus
    ///   output plus reasoning, the provider counts reasoning beside the output, and it is added to it.
    pub fn counts(&self) -> TokenCounts {
        let (input, mut output) = match (self.prompt, self.completion, self.total) {
            (Some(prompt), Some(completion), _) => (prompt, completion),
            (Some(prompt), None, total) => (prompt, total.unwrap_or(prompt).saturating_sub(prompt)),
            (None, Some(completion), total) => (total.unwrap_or(completion).saturating_sub(completion), completion),
            (None, None, total) => (total.unwrap_or(0), 0),
        };
        let reasoning = self.reasoning.unwrap_or(0);
        let both_reported = self.prompt.is_some() && self.completion.is_some();
        if both_reported && reasoning > 0 && self.total == Some(input + output + reasoning) {
            output += reasoning;
        }
        TokenCounts {
            input,
            cached_input: self.cached.unwrap_or(0).min(input),
            audio_input: self.audio_input.unwrap_or(0).min(input),
            output,
            reasoning_output: reasoning.min(output),
            audio_output: self.audio_output.unwrap_or(0).min(output),
            ..TokenCounts::default()
        }
    }

    /// Appends a usage object with the normalised counts; details only where the upstream has named them.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        let counts = self.counts();
        let (input, output) = (counts.input, counts.output);
        push_number(out, "{\"prompt_tokens\":", input);
        push_number(out, ",\"completion_tokens\":", output);
        push_number(out, ",\"total_tokens\":", input + output);
        if self.cached.is_some() {
            push_number(out, ",\"prompt_tokens_details\":{\"cached_tokens\":", counts.cached_input);
            out.push(b'}');
        }
        if self.reasoning.is_some() {
            push_number(out, ",\"completion_tokens_details\":{\"reasoning_tokens\":", counts.reasoning_output);
            out.push(b'}');
        }
        out.push(b'}');
    }

    fn read_prompt_details(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
        cursor.members::<ScanError>(|cursor, key| {
            match &*key.bytes() {
                b"cached_tokens" => drop(take(&mut self.cached, cursor)?),
                b"audio_tokens" => drop(take(&mut self.audio_input, cursor)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(())
    }

    fn read_completion_details(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
        cursor.members::<ScanError>(|cursor, key| {
            match &*key.bytes() {
                b"reasoning_tokens" => drop(take(&mut self.reasoning, cursor)?),
                b"audio_tokens" => drop(take(&mut self.audio_output, cursor)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// What stood in one `usage` member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UsageRead {
    Null,
    Incomplete,
    Complete,
}

fn take(slot: &mut Option<u64>, cursor: &mut Cursor<'_>) -> Result<bool, ScanError> {
    let count = cursor.value()?.as_whole().filter(|count| *count <= MAX_PLAUSIBLE_TOKENS);
    *slot = count.or(*slot);
    Ok(count.is_some())
}

fn push_number(out: &mut Vec<u8>, before: &str, number: u64) {
    out.extend_from_slice(before.as_bytes());
    // Writing into memory does not fail.
    let _ = write!(out, "{number}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(reports: &[&str]) -> TokenCounts {
        let mut collector = UsageCollector::default();
        for report in reports {
            collector.observe(report.as_bytes());
        }
        collector.counts()
    }

    #[test]
    fn an_openai_report_is_normalised() {
        let report = r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
            "prompt_tokens_details":{"cached_tokens":64,"audio_tokens":3},
            "completion_tokens_details":{"reasoning_tokens":40,"audio_tokens":2,"accepted_prediction_tokens":0}}"#;
        let expected = TokenCounts {
            input: 100,
            cached_input: 64,
            audio_input: 3,
            output: 50,
            reasoning_output: 40,
            audio_output: 2,
            ..TokenCounts::default()
        };
        assert_eq!(counts(&[report]), expected);
    }

    #[test]
    fn the_last_value_of_each_field_counts() {
        let reports = [
            r#"{"prompt_tokens":9,"completion_tokens":1}"#,
            r#"{"prompt_tokens":null,"completion_tokens":4}"#,
            r#"{"completion_tokens":7,"prompt_tokens_details":null}"#,
        ];
        assert_eq!(counts(&reports), TokenCounts { input: 9, output: 7, ..TokenCounts::default() });
    }

    #[test]
    fn nonsense_is_passed_over() {
        let good = r#"{"prompt_tokens":5.0,"completion_tokens":6}"#;
        for bad in [
            r#"{"prompt_tokens":-3,"completion_tokens":"12"}"#,
            r#"{"prompt_tokens":1.5,"completion_tokens":99999999999999}"#,
            r#"{"prompt_tokens":{},"completion_tokens":[1]}"#,
            r#"{"prompt_tokens":77,"completion_tokens":"#,
            "null",
            "3",
        ] {
            assert_eq!(counts(&[good, bad]), TokenCounts { input: 5, output: 6, ..TokenCounts::default() }, "{bad}");
        }
    }

    #[test]
    fn a_total_fills_what_is_missing() {
        let pair = |report| {
            let counts = counts(&[report]);
            (counts.input, counts.output)
        };
        assert_eq!(pair(r#"{"prompt_tokens":8,"total_tokens":8}"#), (8, 0));
        assert_eq!(pair(r#"{"prompt_tokens":8,"total_tokens":11}"#), (8, 3));
        assert_eq!(pair(r#"{"completion_tokens":3,"total_tokens":11}"#), (8, 3));
        assert_eq!(pair(r#"{"total_tokens":11}"#), (11, 0));
        assert_eq!(pair(r#"{"prompt_tokens":8,"completion_tokens":3,"total_tokens":99}"#), (8, 3));
    }

    #[test]
    fn reasoning_counted_beside_the_output_is_added_to_it() {
        let report = r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":35,
            "completion_tokens_details":{"reasoning_tokens":20}}"#;
        let counts = counts(&[report]);
        assert_eq!((counts.output, counts.reasoning_output), (25, 20));
    }

    #[test]
    fn subsets_never_exceed_their_whole() {
        let report = r#"{"prompt_tokens":10,"completion_tokens":5,
            "prompt_tokens_details":{"cached_tokens":11},"completion_tokens_details":{"reasoning_tokens":6}}"#;
        let counts = counts(&[report]);
        assert_eq!((counts.cached_input, counts.reasoning_output), (10, 5));
    }
}
