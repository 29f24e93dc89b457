//! Token counts as the APIs of OpenAI report them.

use std::fmt::Write;

use crate::behaviour::{Behaviour, UsageMode};

/// More than any request can use, yet within 64 bits.
pub(crate) const HUGE_TOKENS: u64 = 9_000_000_000_000_000_000;
/// By how much an inconsistent total is off.
pub(crate) const TOTAL_ERROR: u64 = 1_000;

#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenCounts {
    pub(crate) input: u64,
    /// Of the input.
    pub(crate) cached: u64,
    pub(crate) output: u64,
    /// Of the output.
    pub(crate) reasoning: u64,
}

impl TokenCounts {
    pub(crate) fn new(input: u64, output: u64, reasoning: u64, behaviour: &Behaviour) -> Self {
        Self { input, cached: behaviour.cached_tokens.min(input), output, reasoning }
    }

    /// What is reported, with the total.
    pub(crate) fn reported(self, mode: UsageMode) -> (Self, u64) {
        match mode {
            UsageMode::Huge => (Self { input: HUGE_TOKENS, output: HUGE_TOKENS, ..self }, HUGE_TOKENS * 2),
            UsageMode::Inconsistent => (self, self.input + self.output + TOTAL_ERROR),
            _ => (self, self.input + self.output),
        }
    }
}

/// `"usage":{…}` of chat and completions; details only where there is something to tell, as vLLM does.
pub(crate) fn push_usage(into: &mut String, mode: UsageMode, counts: TokenCounts) {
    let (TokenCounts { input, cached, output, reasoning }, total) = counts.reported(mode);
    // Writing to a string cannot fail.
    let _ = write!(into, r#""usage":{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{total}"#);
    if cached > 0 {
        let _ = write!(into, r#","prompt_tokens_details":{{"cached_tokens":{cached},"audio_tokens":0}}"#);
    }
    if reasoning > 0 {
        let _ = write!(into, r#","completion_tokens_details":{{"reasoning_tokens":{reasoning}}}"#);
    }
    into.push('}');
}
