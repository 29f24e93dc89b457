//! Modifiers change the behaviour for one request.
//!
//! They are appended to the model name (`sim-chat+error-rate-limited`, `sim-chat+tokens-500+chunk-delay-20`), or put
//! after `sim:` into a field that reaches every upstream untouched: `user`, `safety_identifier` or `metadata.user_id` of a
//! JSON body (`"user": "sim:fault-cut"`), `user` or `prompt` of a form.
//!
//! | modifier | sets |
//! |---|---|
//! | `delay-MS`, `chunk-delay-MS` | time before the first byte, and before each further chunk |
//! | `tokens-N`, `words-per-chunk-N` | length of the answer and of a chunk |
//! | `error-…` | an [`ErrorAnswer`](super::ErrorAnswer), such as `error-context-overflow` |
//! | `fail-first-N`, `fail-first-N-LABEL` | only the first N requests with this modifier get the error, which is `unavailable` unless another is named |
//! | `retry-after-SECONDS`, `flat-errors` | how errors are written |
//! | `connection-…` | a [`ConnectionFault`](super::ConnectionFault) |
//! | `fault-…`, `fault-after-N` | a [`StreamFault`](super::StreamFault) and the number of chunks before it |
//! | `usage-…` | a [`UsageMode`](super::UsageMode) |
//! | `cached-N`, `cache-creation-N`, `usage-cached` | input tokens from and into a cache; the last is `cached-2` |
//! | `usage-duration` | transcriptions report seconds |
//! | `reasoning-N`, `thinking-N`, `reasoning`, `thinking` | words of reasoning; without a number 3 |
//! | `reasoning-field-…` | a [`ReasoningField`](super::ReasoningField) |
//! | `tool-calls-N`, `tool-call`, `tool-no-index` | calls of the request's tools |
//! | `response-failed`, `response-incomplete` | a [`ResponseEnd`](super::ResponseEnd) |
//! | `framing-…` | a [`Framing`](super::Framing) |
//! | `drip` | bytes come in odd little pieces |

use serde::Deserialize;
use serde::de::value::{BorrowedStrDeserializer, Error as ValueError};

use super::{Behaviour, ErrorAnswer};

const USUAL_REASONING_TOKENS: u64 = 3;
const USUAL_CACHED_TOKENS: u64 = 2;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown behaviour modifier `{0}`")]
pub struct UnknownModifier(String);

impl Behaviour {
    /// This behaviour, changed by modifiers such as `error-internal` or `tokens-20`.
    pub fn with_modifiers<'a>(&self, modifiers: impl Iterator<Item = &'a str>) -> Result<Self, UnknownModifier> {
        let mut behaviour = self.clone();
        for modifier in modifiers {
            let known = behaviour.apply_word(modifier)
                || behaviour.apply_number(modifier).is_some()
                || behaviour.apply_failures(modifier).is_some()
                || behaviour.apply_kind(modifier).is_some();
            if !known {
                return Err(UnknownModifier(modifier.to_owned()));
            }
        }
        Ok(behaviour)
    }

    fn apply_word(&mut self, modifier: &str) -> bool {
        match modifier {
            "drip" => self.drip = true,
            "flat-errors" => self.flat_errors = true,
            "usage-cached" => self.cached_tokens = USUAL_CACHED_TOKENS,
            "usage-duration" => self.usage_by_duration = true,
            "reasoning" | "thinking" => self.reasoning_tokens = USUAL_REASONING_TOKENS,
            "tool-call" => self.tool_calls = 1,
            "tool-no-index" => self.tool_calls_without_index = true,
            _ => return false,
        }
        true
    }

    fn apply_number(&mut self, modifier: &str) -> Option<()> {
        let (name, number) = modifier.rsplit_once('-')?;
        let field = match name {
            "delay" => &mut self.first_byte_delay_ms,
            "chunk-delay" => &mut self.chunk_delay_ms,
            "tokens" => &mut self.output_tokens,
            "words-per-chunk" => &mut self.words_per_chunk,
            "retry-after" => &mut self.retry_after_seconds,
            "fault-after" => &mut self.fault_after_chunks,
            "cached" => &mut self.cached_tokens,
            "cache-creation" => &mut self.cache_creation_tokens,
            "reasoning" | "thinking" => &mut self.reasoning_tokens,
            "tool-calls" => &mut self.tool_calls,
            _ => return None,
        };
        *field = number.parse().ok()?;
        Some(())
    }

    fn apply_failures(&mut self, modifier: &str) -> Option<()> {
        let asked = modifier.strip_prefix("fail-first-")?;
        let (times, _label) = asked.split_once('-').unwrap_or((asked, ""));
        self.error_times = Some(times.parse().ok()?);
        self.error_label = Some(asked.to_owned());
        self.error = self.error.or(Some(ErrorAnswer::Unavailable));
        Some(())
    }

    fn apply_kind(&mut self, modifier: &str) -> Option<()> {
        if let Some(name) = modifier.strip_prefix("reasoning-field-") {
            self.reasoning_field = kind(name)?;
            return Some(());
        }
        let (family, name) = modifier.split_once('-')?;
        match family {
            "error" => self.error = Some(kind(name)?),
            "connection" => self.connection_fault = Some(kind(name)?),
            "fault" => self.stream_fault = Some(kind(name)?),
            "usage" => self.usage = kind(name)?,
            "response" => self.response_end = Some(kind(name)?),
            "framing" => self.framing = kind(name)?,
            _ => return None,
        }
        Some(())
    }
}

/// The enum variant with this name in JSON.
fn kind<'de, T: Deserialize<'de>>(name: &'de str) -> Option<T> {
    T::deserialize(BorrowedStrDeserializer::<ValueError>::new(name)).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{ConnectionFault, Framing, ReasoningField, ResponseEnd, StreamFault, UsageMode};
    use super::*;

    fn with(modifiers: &[&str]) -> Behaviour {
        Behaviour::default().with_modifiers(modifiers.iter().copied()).unwrap()
    }

    #[test]
    fn modifiers_change_one_thing_each() {
        let expected = Behaviour {
            error: Some(ErrorAnswer::RateLimited),
            stream_fault: Some(StreamFault::NoDone),
            fault_after_chunks: 7,
            usage: UsageMode::Cumulative,
            framing: Framing::Crlf,
            ..Behaviour::default()
        };
        let modifiers = ["error-rate-limited", "fault-no-done", "fault-after-7", "usage-cumulative", "framing-crlf"];
        assert_eq!(with(&modifiers), expected);
    }

    #[test]
    fn newer_modifiers_change_one_thing_each() {
        let expected = Behaviour {
            cached_tokens: 2,
            reasoning_tokens: 9,
            reasoning_field: ReasoningField::Reasoning,
            tool_calls: 1,
            tool_calls_without_index: true,
            response_end: Some(ResponseEnd::Failed),
            connection_fault: Some(ConnectionFault::HalfHead),
            flat_errors: true,
            ..Behaviour::default()
        };
        let modifiers = [
            "usage-cached",
            "thinking-9",
            "reasoning-field-reasoning",
            "tool-call",
            "tool-no-index",
            "response-failed",
            "connection-half-head",
            "flat-errors",
        ];
        assert_eq!(with(&modifiers), expected);
    }

    #[test]
    fn first_failures_are_unavailable_unless_another_error_is_named() {
        assert_eq!(with(&["fail-first-2"]).error, Some(ErrorAnswer::Unavailable));
        for modifiers in [["fail-first-2-a", "error-internal"], ["error-internal", "fail-first-2-a"]] {
            let behaviour = with(&modifiers);
            assert_eq!((behaviour.error, behaviour.error_times), (Some(ErrorAnswer::Internal), Some(2)));
            assert_eq!(behaviour.error_label.as_deref(), Some("2-a"));
        }
    }

    #[test]
    fn a_mistyped_modifier_is_refused() {
        for modifier in ["error-429", "tokens-many", "slow", "", "fail-first-x", "reasoning-field-x", "usage-"] {
            assert!(Behaviour::default().with_modifiers([modifier].into_iter()).is_err(), "{modifier}");
        }
    }
}
