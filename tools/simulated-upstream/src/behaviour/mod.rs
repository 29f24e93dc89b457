//! How a server answers: a value for the whole server, changed by modifiers for one request (`modifiers.rs`).

mod kinds;
mod modifiers;

use serde::{Deserialize, Serialize};

pub use kinds::{ConnectionFault, ErrorAnswer, Framing, ReasoningField, ResponseEnd, StreamFault, UsageMode};
pub use modifiers::UnknownModifier;

/// The default is a well-behaved server: about 1 KB of text at once, usage as OpenAI reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// `Authorization: Bearer` must hold this key, on Messages `x-api-key`, on Azure's paths `api-key`; else 401. Health
    /// needs none.
    pub required_api_key: Option<String>,
    /// Of `/health` and `/v1/health`: anything but 200 is a server that calls itself unhealthy and still answers.
    pub health_status: u16,
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
    /// Requests with different labels count their errors apart, and from the last reset; only modifiers set it.
    pub error_label: Option<String>,
    pub retry_after_seconds: u64,
    /// Errors as older vLLM writes them: `{"object":"error","message":…}`.
    pub flat_errors: bool,
    pub connection_fault: Option<ConnectionFault>,
    pub stream_fault: Option<StreamFault>,
    /// Content chunks sent before the fault.
    pub fault_after_chunks: u64,
    pub usage: UsageMode,
    /// Of the input tokens, so many are reported as read from a cache.
    pub cached_tokens: u64,
    /// Of the input tokens, so many are reported as written to a cache; only Messages tells.
    pub cache_creation_tokens: u64,
    /// Transcriptions report seconds instead of tokens.
    pub usage_by_duration: bool,
    /// Words of reasoning before the answer; they are output tokens too.
    pub reasoning_tokens: u64,
    pub reasoning_field: ReasoningField,
    /// So many calls of the request's tools instead of text, unless the last message is a tool's result. A request that
    /// demands a call gets one in any case.
    pub tool_calls: u64,
    /// Streamed tool calls lack their `index`, as some servers do.
    pub tool_calls_without_index: bool,
    pub response_end: Option<ResponseEnd>,
    pub framing: Framing,
    /// Splits a stream's bytes at odd places, in the middle of lines and of characters.
    pub drip: bool,
    /// Each list of models gives other creation times, as Llama Stack does.
    pub changing_created: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            required_api_key: None,
            health_status: 200,
            first_byte_delay_ms: 0,
            chunk_delay_ms: 0,
            output_tokens: 100,
            words_per_chunk: 1,
            error: None,
            error_times: None,
            error_label: None,
            retry_after_seconds: 1,
            flat_errors: false,
            connection_fault: None,
            stream_fault: None,
            fault_after_chunks: 2,
            usage: UsageMode::WhenAsked,
            cached_tokens: 0,
            cache_creation_tokens: 0,
            usage_by_duration: false,
            reasoning_tokens: 0,
            reasoning_field: ReasoningField::ReasoningContent,
            tool_calls: 0,
            tool_calls_without_index: false,
            response_end: None,
            framing: Framing::Plain,
            drip: false,
            changing_created: false,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_field_is_refused() {
        assert!(serde_json::from_str::<Behaviour>(r#"{"first_byte_delay":5}"#).is_err());
        assert!(serde_json::from_str::<Behaviour>(r#"{"first_byte_delay_ms":5}"#).is_ok());
    }
}
