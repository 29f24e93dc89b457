//! The Response object, in answers and in the events that carry it.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    items::{ItemStatus, OutputItem},
    settings::ResponseSettings,
};
use crate::translate::chat::ChatUsage;

/// How a Response stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing<'a> {
    InProgress,
    Completed,
    Incomplete(IncompleteReason),
    Failed(ResponseError<'a>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum IncompleteReason {
    MaxOutputTokens,
    ContentFilter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct ResponseError<'a> {
    pub code: &'a str,
    pub message: &'a str,
}

impl Standing<'_> {
    /// What chat calls the reason to finish. Servers add reasons of their own, which mean that the model was done.
    pub fn of_finish(reason: Option<&str>) -> Self {
        match reason {
            Some("length") => Self::Incomplete(IncompleteReason::MaxOutputTokens),
            Some("content_filter") => Self::Incomplete(IncompleteReason::ContentFilter),
            _ => Self::Completed,
        }
    }

    /// The status of the items that were not done before.
    pub const fn of_items(&self) -> ItemStatus {
        match self {
            Self::InProgress => ItemStatus::InProgress,
            Self::Completed => ItemStatus::Completed,
            Self::Incomplete(_) | Self::Failed(_) => ItemStatus::Incomplete,
        }
    }

    const fn status(&self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete(_) => "incomplete",
            Self::Failed(_) => "failed",
        }
    }
}

/// Writes what is known; members about which nothing is known here are `null`.
#[derive(Serialize)]
pub(super) struct Response<'a> {
    id: &'a str,
    object: &'static str,
    created_at: u64,
    status: &'static str,
    background: bool,
    error: Option<ResponseError<'a>>,
    incomplete_details: Option<IncompleteDetails>,
    instructions: Option<&'a RawValue>,
    max_output_tokens: Option<&'a RawValue>,
    max_tool_calls: Option<&'a RawValue>,
    metadata: Repeated<'a, EmptyObject>,
    model: &'a str,
    output: &'a [OutputItem],
    parallel_tool_calls: Repeated<'a, bool>,
    previous_response_id: Option<()>,
    prompt_cache_key: Option<&'a RawValue>,
    reasoning: Repeated<'a, NoReasoning>,
    safety_identifier: Option<&'a RawValue>,
    /// Never: nothing is stored here, whatever the request has asked for.
    store: bool,
    temperature: Option<&'a RawValue>,
    text: Repeated<'a, PlainText>,
    tool_choice: Repeated<'a, &'static str>,
    tools: Repeated<'a, [(); 0]>,
    top_logprobs: u64,
    top_p: Option<&'a RawValue>,
    truncation: &'static str,
    usage: Option<ResponseUsage>,
    user: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct IncompleteDetails {
    reason: IncompleteReason,
}

/// A field as the client has sent it, or the API's default.
#[derive(Serialize)]
#[serde(untagged)]
enum Repeated<'a, T> {
    Sent(&'a RawValue),
    Default(T),
}

#[derive(Serialize)]
struct EmptyObject {}

#[derive(Serialize)]
struct NoReasoning {
    effort: Option<()>,
    summary: Option<()>,
}

#[derive(Serialize)]
struct PlainText {
    format: PlainFormat,
}

#[derive(Serialize)]
struct PlainFormat {
    #[serde(rename = "type")]
    kind: &'static str,
}

impl<'a> Response<'a> {
    pub fn new(
        settings: &'a ResponseSettings,
        standing: Standing<'a>,
        output: &'a [OutputItem],
        usage: Option<ChatUsage>,
    ) -> Self {
        let repeated = &settings.repeated;
        Self {
            id: &settings.response_id,
            object: "response",
            created_at: settings.created_at,
            status: standing.status(),
            background: false,
            error: if let Standing::Failed(error) = standing { Some(error) } else { None },
            incomplete_details: match standing {
                Standing::Incomplete(reason) => Some(IncompleteDetails { reason }),
                _ => None,
            },
            instructions: repeated.instructions.as_deref(),
            max_output_tokens: repeated.max_output_tokens.as_deref(),
            max_tool_calls: repeated.max_tool_calls.as_deref(),
            metadata: Repeated::new(&repeated.metadata, EmptyObject {}),
            model: &settings.client_model,
            output,
            parallel_tool_calls: Repeated::new(&repeated.parallel_tool_calls, true),
            previous_response_id: None,
            prompt_cache_key: repeated.prompt_cache_key.as_deref(),
            reasoning: Repeated::new(&repeated.reasoning, NoReasoning { effort: None, summary: None }),
            safety_identifier: repeated.safety_identifier.as_deref(),
            store: false,
            temperature: repeated.temperature.as_deref(),
            text: Repeated::new(&repeated.text, PlainText { format: PlainFormat { kind: "text" } }),
            tool_choice: Repeated::new(&repeated.tool_choice, "auto"),
            tools: Repeated::new(&repeated.tools, []),
            top_logprobs: 0,
            top_p: repeated.top_p.as_deref(),
            truncation: "disabled",
            usage: usage.map(ResponseUsage::from),
            user: repeated.user.as_deref(),
        }
    }
}

impl<'a, T> Repeated<'a, T> {
    fn new(sent: &'a Option<Box<RawValue>>, default: T) -> Self {
        sent.as_deref().map_or(Self::Default(default), Self::Sent)
    }
}

/// Tokens; the details are subsets.
#[derive(Serialize)]
struct ResponseUsage {
    input_tokens: u64,
    input_tokens_details: InputDetails,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    total_tokens: u64,
}

#[derive(Serialize)]
struct InputDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
}

impl From<ChatUsage> for ResponseUsage {
    fn from(usage: ChatUsage) -> Self {
        let prompt = usage.prompt_tokens_details.unwrap_or_default();
        let completion = usage.completion_tokens_details.unwrap_or_default();
        let counted = usage.prompt_tokens.saturating_add(usage.completion_tokens);
        Self {
            input_tokens: usage.prompt_tokens,
            input_tokens_details: InputDetails {
                cached_tokens: prompt.cached_tokens.unwrap_or(0),
                cache_write_tokens: prompt.cache_write_tokens.or(prompt.cache_creation_tokens).unwrap_or(0),
            },
            output_tokens: usage.completion_tokens,
            output_tokens_details: OutputDetails { reasoning_tokens: completion.reasoning_tokens.unwrap_or(0) },
            total_tokens: usage.total_tokens.max(counted),
        }
    }
}
