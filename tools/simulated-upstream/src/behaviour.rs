//! How a server answers: a value for the whole server, changed by modifiers for one request.
//!
//! Modifiers are appended to the model name (`sim-chat+error-rate-limited`, `sim-chat+tokens-500+chunk-delay-20`) or put
//! into the request's `user` field after `sim:` (`"user": "sim:fault-cut"`):
//!
//! | modifier | sets |
//! |---|---|
//! | `delay-MS`, `chunk-delay-MS` | time before the first byte, and before each further chunk |
//! | `tokens-N`, `words-per-chunk-N` | length of the answer and of a chunk |
//! | `error-…` | an [`ErrorAnswer`], such as `error-context-overflow` |
//! | `fault-…`, `fault-after-N` | a [`StreamFault`] and the number of chunks before it |
//! | `usage-…` | a [`UsageMode`] |
//! | `framing-…` | a [`Framing`] |
//! | `drip` | bytes come in odd little pieces |

use serde::de::value::{BorrowedStrDeserializer, Error as ValueError};
use serde::{Deserialize, Serialize};

/// The default is a well-behaved server: about 1 KB of text at once, usage as OpenAI reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// `Authorization: Bearer` must hold this key on every `/v1` path but health, else 401.
    pub required_api_key: Option<String>,
    pub first_byte_delay_ms: u64,
    /// Before each content chunk of a stream but the first.
    pub chunk_delay_ms: u64,
    /// Words in an answer, unless the request's `max_tokens` is less.
    pub output_tokens: u64,
    pub words_per_chunk: u64,
    /// Answered instead of the result.
    pub error: Option<ErrorAnswer>,
    /// Only so many errors, then results again, counted from when the behaviour was set. `None`: always.
    pub error_times: Option<u64>,
    pub retry_after_seconds: u64,
    pub stream_fault: Option<StreamFault>,
    /// Content chunks sent before the fault.
    pub fault_after_chunks: u64,
    pub usage: UsageMode,
    pub framing: Framing,
    /// Splits a stream's bytes at odd places, in the middle of lines and of characters.
    pub drip: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            required_api_key: None,
            first_byte_delay_ms: 0,
            chunk_delay_ms: 0,
            output_tokens: 100,
            words_per_chunk: 1,
            error: None,
            error_times: None,
            retry_after_seconds: 1,
            stream_fault: None,
            fault_after_chunks: 2,
            usage: UsageMode::WhenAsked,
            framing: Framing::Plain,
            drip: false,
        }
    }
}

/// An error before anything of the answer was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorAnswer {
    /// 400 with vLLM's words for a prompt that is too long.
    ContextOverflow,
    /// 401
    Unauthorized,
    /// 404
    NotFound,
    /// 429 with `Retry-After`
    RateLimited,
    /// 500
    Internal,
    /// 503 with `Retry-After`
    Unavailable,
    /// 200 with JSON that ends too early.
    MalformedJson,
    /// 502 with HTML, as a load balancer sends it.
    HtmlPage,
    /// The connection closes without an answer.
    Disconnect,
}

/// What goes wrong in the middle of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StreamFault {
    /// An error as a data frame, then the end.
    ErrorFrame,
    /// The connection is cut.
    Cut,
    /// Nothing more comes, and the connection stays open until the client leaves.
    Stall,
    /// All the content, then a clean end without finish_reason, usage and `[DONE]`.
    NoFinishReason,
    /// Everything but `[DONE]`, as Llama Stack does.
    NoDone,
}

/// When and how token usage is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UsageMode {
    /// As OpenAI: in a stream only with `include_usage`, as a last chunk with `choices: []`.
    WhenAsked,
    /// The last chunk always comes.
    Always,
    /// As Gemini: running totals on every chunk.
    Cumulative,
    /// Never, not even without streaming.
    Missing,
    /// Numbers that no request can have.
    Huge,
    /// A total that is not the sum of its parts.
    Inconsistent,
    /// The usage chunk has no `choices` at all.
    WithoutChoices,
}

/// How frames are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Framing {
    Plain,
    /// CR LF line ends.
    Crlf,
    /// A comment before each frame.
    Comments,
    /// An `id:` line in each frame.
    IdLines,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown behaviour modifier `{0}`")]
pub struct UnknownModifier(String);

impl Behaviour {
    /// This behaviour, changed by modifiers such as `error-internal` or `tokens-20`.
    pub fn with_modifiers<'a>(&self, modifiers: impl Iterator<Item = &'a str>) -> Result<Self, UnknownModifier> {
        let mut behaviour = self.clone();
        for modifier in modifiers {
            behaviour.apply(modifier).ok_or_else(|| UnknownModifier(modifier.to_owned()))?;
        }
        Ok(behaviour)
    }

    fn apply(&mut self, modifier: &str) -> Option<()> {
        if modifier == "drip" {
            self.drip = true;
        } else if let Some(value) = modifier.strip_prefix("delay-") {
            self.first_byte_delay_ms = value.parse().ok()?;
        } else if let Some(value) = modifier.strip_prefix("chunk-delay-") {
            self.chunk_delay_ms = value.parse().ok()?;
        } else if let Some(value) = modifier.strip_prefix("tokens-") {
            self.output_tokens = value.parse().ok()?;
        } else if let Some(value) = modifier.strip_prefix("words-per-chunk-") {
            self.words_per_chunk = value.parse().ok()?;
        } else if let Some(value) = modifier.strip_prefix("error-") {
            self.error = Some(variant(value)?);
        } else if let Some(value) = modifier.strip_prefix("fault-after-") {
            self.fault_after_chunks = value.parse().ok()?;
        } else if let Some(value) = modifier.strip_prefix("fault-") {
            self.stream_fault = Some(variant(value)?);
        } else if let Some(value) = modifier.strip_prefix("usage-") {
            self.usage = variant(value)?;
        } else {
            self.framing = variant(modifier.strip_prefix("framing-")?)?;
        }
        Some(())
    }
}

/// The enum variant with this name in JSON.
fn variant<'de, T: Deserialize<'de>>(name: &'de str) -> Option<T> {
    T::deserialize(BorrowedStrDeserializer::<ValueError>::new(name)).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_change_one_thing_each() {
        let modifiers = ["error-rate-limited", "fault-no-done", "fault-after-7", "usage-cumulative", "framing-crlf"];
        let behaviour = Behaviour::default().with_modifiers(modifiers.into_iter()).unwrap();
        let expected = Behaviour {
            error: Some(ErrorAnswer::RateLimited),
            stream_fault: Some(StreamFault::NoDone),
            fault_after_chunks: 7,
            usage: UsageMode::Cumulative,
            framing: Framing::Crlf,
            ..Behaviour::default()
        };
        assert_eq!(behaviour, expected);
    }

    #[test]
    fn a_mistyped_modifier_is_refused() {
        for modifier in ["error-429", "tokens-many", "slow", ""] {
            assert!(Behaviour::default().with_modifiers([modifier].into_iter()).is_err(), "{modifier}");
        }
    }

    #[test]
    fn a_mistyped_field_is_refused() {
        assert!(serde_json::from_str::<Behaviour>(r#"{"first_byte_delay":5}"#).is_err());
        assert!(serde_json::from_str::<Behaviour>(r#"{"first_byte_delay_ms":5}"#).is_ok());
    }
}
