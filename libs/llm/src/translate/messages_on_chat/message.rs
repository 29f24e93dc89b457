//! A Message and its parts as they are written: `https://docs.claude.com/en/api/messages#response-content`.

use serde::Serialize;
use serde_json::Value;

use crate::translate::{
    chat::{ChatMessage, ChatPromptDetails, ChatUsage},
    messages_on_chat::tool_input::ToolInput,
};

#[derive(Debug, Serialize)]
pub(super) struct Message<'a> {
    pub id: &'a str,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub role: &'static str,
    pub model: &'a str,
    pub content: Vec<Block<'a>>,
    /// Null until the end is known.
    pub stop_reason: Option<&'static str>,
    pub stop_sequence: Option<&'a str>,
    pub usage: Usage,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    /// The signature is what Anthropic's own models sign with; others have none.
    Thinking {
        thinking: &'a str,
        signature: &'static str,
    },
    Text {
        text: &'a str,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: ToolInput<'a>,
    },
}

/// Tokens; the three counts of the input are disjoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Usage {
    pub input_tokens: u64,
    pub cache_creation_input_tokens: u64,
    pub cache_read_input_tokens: u64,
    pub output_tokens: u64,
}

impl Usage {
    /// An upstream that reports nothing gives zeros: the API has no way to leave the counts out.
    pub fn from_chat(usage: Option<&ChatUsage>) -> Self {
        let Some(usage) = usage else { return Self::default() };
        let details = usage.prompt_tokens_details.unwrap_or_default();
        let read = details.cached_tokens.unwrap_or(0).min(usage.prompt_tokens);
        let written = written_to_cache(&details).min(usage.prompt_tokens - read);
        Self {
            input_tokens: usage.prompt_tokens - read - written,
            cache_creation_input_tokens: written,
            cache_read_input_tokens: read,
            output_tokens: usage.completion_tokens,
        }
    }
}

fn written_to_cache(details: &ChatPromptDetails) -> u64 {
    details.cache_write_tokens.or(details.cache_creation_tokens).unwrap_or(0)
}

/// Why an answer ended, as far as a chat server tells.
#[derive(Debug, Default)]
pub(super) struct Stop {
    pub finish_reason: Option<String>,
    /// The stop sequence that was met.
    pub sequence: Option<String>,
    /// The model has declined in words of its own.
    pub refused: bool,
    pub called_tools: bool,
}

impl Stop {
    /// `stop_reason` is what vLLM adds: a text is a stop sequence, a number is only a token that ends every answer.
    pub fn note(&mut self, finish_reason: Option<&str>, stop_reason: Option<&Value>) {
        if let Some(reason) = finish_reason.filter(|reason| !reason.is_empty()) {
            self.finish_reason = Some(reason.to_owned());
        }
        if let Some(sequence) = stop_reason.and_then(Value::as_str) {
            self.sequence = Some(sequence.to_owned());
        }
    }

    /// Some servers say `stop` although tools were called, so what was called decides. A reason that is not known is taken
    /// for a natural end.
    pub fn reason(&self) -> &'static str {
        match self.finish_reason.as_deref() {
            Some("length") => "max_tokens",
            Some("content_filter") => "refusal",
            _ if self.called_tools => "tool_use",
            _ if self.refused => "refusal",
            _ if self.sequence.is_some() => "stop_sequence",
            _ => "end_turn",
        }
    }
}

/// The text of a refusal, which chat keeps beside the content.
pub(super) fn refusal(message: &ChatMessage) -> Option<&str> {
    message.refusal.as_deref().filter(|text| !text.is_empty())
}

/// The id for a call to which the upstream gave none; unique because the message's is.
pub(super) fn made_call_id(message_id: &str, number: usize) -> String {
    format!("toolu_{}_{number}", message_id.strip_prefix("msg_").unwrap_or(message_id))
}
