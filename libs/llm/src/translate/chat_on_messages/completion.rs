//! A ChatCompletion and a chunk as they are written: `https://platform.openai.com/docs/api-reference/chat/object`.
//!
//! They say what [`crate::translate::chat`] has as owned types, but borrow, and write the nulls that some clients want.

use maas_types::TokenCounts;
use serde::Serialize;

use crate::{
    translate::chat::{ChatCompletionDetails, ChatPromptDetails, ChatUsage},
    usage::UsageCollector,
};

#[derive(Debug, Serialize)]
pub(super) struct Completion<'a> {
    pub id: &'a str,
    pub object: &'static str,
    pub created: u64,
    pub model: &'a str,
    pub choices: [Choice<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<ChatUsage>,
}

#[derive(Debug, Serialize)]
pub(super) struct Choice<'a> {
    pub index: u64,
    pub message: Message<'a>,
    pub logprobs: Option<()>,
    pub finish_reason: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Message<'a> {
    pub role: &'static str,
    /// Null where only tools were called.
    pub content: Option<String>,
    pub refusal: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct ToolCall<'a> {
    pub id: &'a str,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub function: Function<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct Function<'a> {
    pub name: &'a str,
    pub arguments: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct Chunk<'a> {
    pub id: &'a str,
    pub object: &'static str,
    pub created: u64,
    pub model: &'a str,
    pub choices: &'a [ChunkChoice<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<ChatUsage>,
}

#[derive(Debug, Serialize)]
pub(super) struct ChunkChoice<'a> {
    pub index: u64,
    pub delta: Delta<'a>,
    pub finish_reason: Option<&'static str>,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<[CallPiece<'a>; 1]>,
}

#[derive(Debug, Serialize)]
pub(super) struct CallPiece<'a> {
    pub index: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    pub function: FunctionPiece<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct FunctionPiece<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    pub arguments: &'a str,
}

/// Why the answer ended. A paused turn and a stop sequence are natural ends to a chat client; what is not known is too,
/// unless tools were called.
pub(super) fn finish_reason(stop_reason: Option<&str>, called_tools: bool) -> &'static str {
    match stop_reason {
        Some("max_tokens" | "model_context_window_exceeded") => "length",
        Some("refusal") => "content_filter",
        Some("tool_use") => "tool_calls",
        Some("end_turn" | "stop_sequence" | "pause_turn") => "stop",
        _ if called_tools => "tool_calls",
        _ => "stop",
    }
}

/// What was reported, with the input whole, as chat counts it; `None` if nothing was.
pub(super) fn chat_usage(usage: &UsageCollector) -> Option<ChatUsage> {
    if !usage.is_reported() {
        return None;
    }
    let TokenCounts { input, cached_input, cache_write_input, output, reasoning_output, .. } = usage.counts();
    Some(ChatUsage {
        prompt_tokens: input,
        completion_tokens: output,
        total_tokens: input.saturating_add(output),
        prompt_tokens_details: Some(ChatPromptDetails {
            cached_tokens: Some(cached_input),
            cache_write_tokens: Some(cache_write_input).filter(|tokens| *tokens > 0),
            ..ChatPromptDetails::default()
        }),
        completion_tokens_details: (reasoning_output > 0)
            .then_some(ChatCompletionDetails { reasoning_tokens: Some(reasoning_output) }),
    })
}
