//! A Messages request as clients write it: `https://docs.claude.com/en/api/messages`.
//!
//! Everything borrows from the body. How blocks are read is in [`super::blocks`].

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::translate::body::{BorrowedText, Content};

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct MessagesRequest<'a> {
    /// Required, but not for counting.
    pub max_tokens: Option<u64>,
    #[serde(borrow)]
    pub messages: Vec<Turn<'a>>,
    #[serde(borrow)]
    pub system: Option<Content<'a, Block<'a>>>,
    #[serde(borrow)]
    pub tools: Option<Vec<Tool<'a>>>,
    #[serde(borrow)]
    pub tool_choice: Option<ToolChoice<'a>>,
    #[serde(borrow)]
    pub stop_sequences: Option<Vec<BorrowedText<'a>>>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<u64>,
    pub stream: Option<bool>,
    #[serde(borrow)]
    pub thinking: Option<Thinking<'a>>,
    #[serde(borrow)]
    pub output_config: Option<OutputConfig<'a>>,
    /// Where `output_config.format` stood during the beta.
    #[serde(borrow)]
    pub output_format: Option<OutputFormat<'a>>,
    #[serde(borrow)]
    pub metadata: Option<Metadata<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Turn<'a> {
    /// `user`, `assistant`, and `system` in the middle of a conversation.
    #[serde(borrow)]
    pub role: BorrowedText<'a>,
    #[serde(borrow)]
    pub content: Content<'a, Block<'a>>,
}

#[derive(Debug)]
pub(super) enum Block<'a> {
    Text(BorrowedText<'a>),
    Image(Box<Source<'a>>),
    Document(Box<Document<'a>>),
    ToolUse(Box<ToolUse<'a>>),
    ToolResult(Box<ToolResult<'a>>),
    /// `thinking` and `redacted_thinking`.
    Thinking,
    Other,
}

/// What stands in a tool's result: never another call or result, so that reading does not recurse.
#[derive(Debug)]
pub(super) struct ResultBlock<'a>(pub Block<'a>);

#[derive(Debug)]
pub(super) struct Document<'a> {
    pub source: Source<'a>,
    pub title: Option<BorrowedText<'a>>,
    pub context: Option<BorrowedText<'a>>,
    pub wants_citations: bool,
}

#[derive(Debug)]
pub(super) struct ToolUse<'a> {
    pub id: BorrowedText<'a>,
    pub name: BorrowedText<'a>,
    pub input: &'a RawValue,
}

#[derive(Debug)]
pub(super) struct ToolResult<'a> {
    pub tool_use_id: BorrowedText<'a>,
    pub content: Option<Content<'a, ResultBlock<'a>>>,
    pub is_error: bool,
}

/// `base64` and `text` have data, `url` has a URL; there are others.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Source<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: BorrowedText<'a>,
    #[serde(borrow)]
    pub media_type: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    pub data: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    pub url: Option<BorrowedText<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Tool<'a> {
    /// Missing or `custom`: a tool of the client's. Anything else is Anthropic's own.
    #[serde(rename = "type", borrow)]
    pub kind: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    pub name: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    pub description: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    pub input_schema: Option<&'a RawValue>,
    pub strict: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct ToolChoice<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: BorrowedText<'a>,
    #[serde(borrow)]
    pub name: Option<BorrowedText<'a>>,
    pub disable_parallel_tool_use: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Thinking<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: BorrowedText<'a>,
    pub budget_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct OutputConfig<'a> {
    #[serde(borrow)]
    pub effort: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    pub format: Option<OutputFormat<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct OutputFormat<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: BorrowedText<'a>,
    #[serde(borrow)]
    pub schema: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    pub user_id: Option<BorrowedText<'a>>,
}
