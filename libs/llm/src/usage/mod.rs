//! What an upstream says it has counted, in the words of any provider, and the one normal form of it.

mod read;

use std::io::Write;

use maas_types::TokenCounts;

pub(crate) use read::UsageRead;

/// Gathers usage over the answer: the **last value per field** that was a number, never a sum. So usage that grows from
/// chunk to chunk and usage that comes once give the same counts.
///
/// Nulls, strings, fractions, negative and absurd numbers are passed over as if they were not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsageCollector {
    /// `prompt_tokens`: all of the input, whatever was cached.
    prompt: Option<u64>,
    /// `input_tokens`: all of the input, except where [`UsageCollector::is_disjoint`].
    input: Option<u64>,
    /// `completion_tokens` or `output_tokens`.
    output: Option<u64>,
    total: Option<u64>,
    cached: Option<u64>,
    cache_read: Option<u64>,
    cache_creation: Option<u64>,
    audio_input: Option<u64>,
    reasoning: Option<u64>,
    audio_output: Option<u64>,
    /// Cohere's two ways to count: what it bills, and what the model has read.
    billed: Counted,
    counted: Counted,
    /// The upstream bills by time instead of tokens, and has said how much.
    has_duration: bool,
}

/// Input and output under the same names in another place than a usage object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counted {
    input: Option<u64>,
    output: Option<u64>,
}

impl UsageCollector {
    /// Whether the upstream has reported any count that can be billed, be it a time.
    pub const fn is_reported(&self) -> bool {
        self.prompt.is_some()
            || self.input.is_some()
            || self.output.is_some()
            || self.total.is_some()
            || self.billed.input.is_some()
            || self.counted.input.is_some()
            || self.has_duration
    }

    /// The counts in normal form: cached, cache-writing and audio input within the input, reasoning and audio output
    /// within the output.
    ///
    /// - A missing input or output is what the other leaves of the total; with the total alone, all of it is input (so
    ///   embeddings and rerankers report).
    /// - If both are there, the total is not believed against them, with one exception: when it is exactly input plus
    ///   output plus reasoning, the provider counts reasoning beside the output, and it is added to it.
    /// - Of Cohere's counts those that are billed come first; a usage object comes before both.
    pub fn counts(&self) -> TokenCounts {
        let (reported_input, reported_output) = (self.all_input(), self.reported_output());
        let (input, mut output) = match (reported_input, reported_output, self.total) {
            (Some(input), Some(output), _) => (input, output),
            (Some(input), None, total) => (input, total.unwrap_or(input).saturating_sub(input)),
            (None, Some(output), total) => (total.unwrap_or(output).saturating_sub(output), output),
            (None, None, total) => (total.unwrap_or(0), 0),
        };
        let reasoning = self.reasoning.unwrap_or(0);
        let both_reported = reported_input.is_some() && reported_output.is_some();
        if both_reported && reasoning > 0 && self.total == Some(input + output + reasoning) {
            output += reasoning;
        }
        let cached_input = self.cache_read.or(self.cached).unwrap_or(0).min(input);
        TokenCounts {
            input,
            cached_input,
            cache_write_input: self.cache_creation.unwrap_or(0).min(input - cached_input),
            audio_input: self.audio_input.unwrap_or(0).min(input),
            output,
            reasoning_output: reasoning.min(output),
            audio_output: self.audio_output.unwrap_or(0).min(output),
            images: 0,
        }
    }

    /// Anthropic counts the input beside what was cached. Its names for that tell; some gateways add them to OpenAI's
    /// `prompt_tokens`, which already has everything.
    const fn is_disjoint(&self) -> bool {
        self.prompt.is_none() && (self.cache_read.is_some() || self.cache_creation.is_some())
    }

    fn all_input(&self) -> Option<u64> {
        let input = self.prompt.or(self.input);
        if self.is_disjoint() {
            return Some(input.unwrap_or(0) + self.cache_read.unwrap_or(0) + self.cache_creation.unwrap_or(0));
        }
        // A total is nearer to a usage object than Cohere's two.
        input.or_else(|| self.billed.input.or(self.counted.input).filter(|_| self.total.is_none()))
    }

    fn reported_output(&self) -> Option<u64> {
        self.output.or_else(|| self.billed.output.or(self.counted.output).filter(|_| self.total.is_none()))
    }

    /// Appends a usage object with the normalised counts in OpenAI's words for chat; details only where the upstream has
    /// named them.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        let counts = self.counts();
        let (input, output) = (counts.input, counts.output);
        push_number(out, "{\"prompt_tokens\":", input);
        push_number(out, ",\"completion_tokens\":", output);
        push_number(out, ",\"total_tokens\":", input + output);
        if self.cached.is_some() || self.cache_read.is_some() {
            push_number(out, ",\"prompt_tokens_details\":{\"cached_tokens\":", counts.cached_input);
            out.push(b'}');
        }
        if self.reasoning.is_some() {
            push_number(out, ",\"completion_tokens_details\":{\"reasoning_tokens\":", counts.reasoning_output);
            out.push(b'}');
        }
        out.push(b'}');
    }
}

fn push_number(out: &mut Vec<u8>, before: &str, number: u64) {
    out.extend_from_slice(before.as_bytes());
    // Writing into memory does not fail.
    let _ = write!(out, "{number}");
}

#[cfg(test)]
mod tests;
