//! The output items of a Response.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{settings::ResponseSettings, tools::ToolKind};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ItemStatus {
    InProgress,
    Completed,
    Incomplete,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum OutputItem {
    /// What the upstream gives as reasoning is the reasoning itself, so it is the content; summaries are not made here.
    Reasoning {
        id: String,
        summary: [(); 0],
        content: Vec<Part>,
        status: ItemStatus,
    },
    Message {
        id: String,
        status: ItemStatus,
        role: &'static str,
        content: Vec<Part>,
    },
    FunctionCall(FunctionCall),
    CustomToolCall {
        id: String,
        call_id: String,
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        input: String,
        status: ItemStatus,
    },
    LocalShellCall {
        id: String,
        call_id: String,
        action: ShellAction,
        status: ItemStatus,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct FunctionCall {
    pub id: String,
    pub call_id: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// JSON as text, as the model has written it.
    pub arguments: String,
    pub status: ItemStatus,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Part {
    OutputText { text: String, annotations: [(); 0], logprobs: [(); 0] },
    Refusal { refusal: String },
    ReasoningText { text: String },
}

/// A command as `local_shell` gives it to the client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ShellAction {
    #[serde(rename = "type", default)]
    kind: ExecAction,
    command: Vec<String>,
    #[serde(default)]
    env: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    working_directory: Option<String>,
}

/// The only kind of action that there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ExecAction {
    #[default]
    Exec,
}

/// A tool call of the upstream, whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct WholeCall<'a> {
    pub call_id: &'a str,
    /// The upstream's name of the tool.
    pub chat_name: &'a str,
    pub arguments: &'a str,
}

impl OutputItem {
    pub fn message(settings: &ResponseSettings, output_index: usize, content: Vec<Part>, status: ItemStatus) -> Self {
        Self::Message { id: settings.item_id("msg", output_index), status, role: "assistant", content }
    }

    pub fn reasoning(settings: &ResponseSettings, output_index: usize, content: Vec<Part>, status: ItemStatus) -> Self {
        Self::Reasoning { id: settings.item_id("rs", output_index), summary: [], content, status }
    }

    /// The call as the client knows the tool. Arguments that a custom tool or the local shell cannot take lose nothing:
    /// the first gets them as they are, the second becomes the function call that it was.
    pub fn call(settings: &ResponseSettings, output_index: usize, call: WholeCall<'_>, status: ItemStatus) -> Self {
        let tool = settings.tools.tool(call.chat_name);
        let call_id = call.call_id.to_owned();
        let action = (tool.kind == ToolKind::LocalShell).then(|| serde_json::from_str(call.arguments).ok()).flatten();
        match (tool.kind, action) {
            (ToolKind::Custom, _) => Self::CustomToolCall {
                id: settings.item_id("ctc", output_index),
                call_id,
                name: tool.name,
                namespace: tool.namespace,
                input: custom_input(call.arguments),
                status,
            },
            (ToolKind::LocalShell, Some(action)) => {
                Self::LocalShellCall { id: settings.item_id("lsh", output_index), call_id, action, status }
            }
            (ToolKind::Function | ToolKind::LocalShell, _) => Self::FunctionCall(FunctionCall {
                id: settings.item_id("fc", output_index),
                call_id,
                name: tool.name,
                namespace: tool.namespace,
                arguments: call.arguments.to_owned(),
                status,
            }),
        }
    }

    pub fn id(&self) -> &str {
        match self {
            Self::Reasoning { id, .. }
            | Self::Message { id, .. }
            | Self::CustomToolCall { id, .. }
            | Self::LocalShellCall { id, .. } => id,
            Self::FunctionCall(call) => &call.id,
        }
    }

    pub const fn status(&self) -> ItemStatus {
        match self {
            Self::Reasoning { status, .. }
            | Self::Message { status, .. }
            | Self::CustomToolCall { status, .. }
            | Self::LocalShellCall { status, .. } => *status,
            Self::FunctionCall(call) => call.status,
        }
    }

    pub const fn set_status(&mut self, new: ItemStatus) {
        match self {
            Self::Reasoning { status, .. }
            | Self::Message { status, .. }
            | Self::CustomToolCall { status, .. }
            | Self::LocalShellCall { status, .. } => *status = new,
            Self::FunctionCall(call) => call.status = new,
        }
    }

    /// The parts; none if the item is not made of text.
    pub fn parts(&self) -> &[Part] {
        match self {
            Self::Reasoning { content, .. } | Self::Message { content, .. } => content,
            Self::FunctionCall(_) | Self::CustomToolCall { .. } | Self::LocalShellCall { .. } => &[],
        }
    }

    /// The input of a call, left empty behind, if the stream says it in events of its own.
    pub fn take_input(&mut self) -> Option<String> {
        self.input_mut().map(std::mem::take)
    }

    pub fn put_input(&mut self, input: String) {
        if let Some(place) = self.input_mut() {
            *place = input;
        }
    }

    const fn input_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::FunctionCall(call) => Some(&mut call.arguments),
            Self::CustomToolCall { input, .. } => Some(input),
            Self::Reasoning { .. } | Self::Message { .. } | Self::LocalShellCall { .. } => None,
        }
    }

    pub const fn parts_mut(&mut self) -> Option<&mut Vec<Part>> {
        match self {
            Self::Reasoning { content, .. } | Self::Message { content, .. } => Some(content),
            Self::FunctionCall(_) | Self::CustomToolCall { .. } | Self::LocalShellCall { .. } => None,
        }
    }
}

impl Part {
    pub const fn output_text(text: String) -> Self {
        Self::OutputText { text, annotations: [], logprobs: [] }
    }

    pub fn text(&self) -> &str {
        match self {
            Self::OutputText { text, .. } | Self::ReasoningText { text } => text,
            Self::Refusal { refusal } => refusal,
        }
    }

    pub fn text_mut(&mut self) -> &mut String {
        match self {
            Self::OutputText { text, .. } | Self::ReasoningText { text } => text,
            Self::Refusal { refusal } => refusal,
        }
    }
}

/// How a call stands when the answer has ended with `end`: a call whose arguments are whole was not cut short.
pub(super) fn call_status(arguments: &str, end: ItemStatus) -> ItemStatus {
    let is_whole = || serde_json::from_str::<serde::de::IgnoredAny>(arguments).is_ok();
    if end == ItemStatus::Incomplete && is_whole() { ItemStatus::Completed } else { end }
}

fn custom_input(arguments: &str) -> String {
    #[derive(Deserialize)]
    struct Arguments {
        input: String,
    }
    serde_json::from_str::<Arguments>(arguments).map_or_else(|_| arguments.to_owned(), |arguments| arguments.input)
}
