//! A chat request as clients write it: `https://platform.openai.com/docs/api-reference/chat/create`.
//!
//! It reads what [`crate::translate::chat::ChatRequest`] reads, but borrows from the body and keeps the path of what is
//! wrong. Members of a message that are not read are passed over: clients send the assistant's messages back with all
//! that servers have added to them.

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny},
};
use serde_json::value::RawValue;

use crate::translate::body::{BorrowedText, Content, missing};

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct ChatForm<'a> {
    #[serde(borrow)]
    pub messages: Vec<ChatTurn<'a>>,
    #[serde(borrow)]
    pub tools: Option<Vec<Tool<'a>>>,
    #[serde(borrow)]
    pub tool_choice: Option<ToolChoice<'a>>,
    pub parallel_tool_calls: Option<bool>,
    #[serde(borrow)]
    pub response_format: Option<ResponseFormat<'a>>,
    pub max_tokens: Option<u64>,
    pub max_completion_tokens: Option<u64>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    /// Not OpenAI's, but known to many servers.
    pub top_k: Option<u64>,
    #[serde(borrow)]
    pub stop: Option<Content<'a, BorrowedText<'a>>>,
    pub stream: Option<bool>,
    #[serde(borrow)]
    pub reasoning_effort: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    pub user: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    pub safety_identifier: Option<BorrowedText<'a>>,
    pub n: Option<u64>,
    pub logprobs: Option<bool>,
    pub store: Option<bool>,
    #[serde(borrow)]
    pub modalities: Option<Vec<BorrowedText<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct ChatTurn<'a> {
    #[serde(borrow)]
    pub role: BorrowedText<'a>,
    #[serde(borrow)]
    pub content: Option<Content<'a, Part<'a>>>,
    #[serde(borrow)]
    pub refusal: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    pub tool_calls: Option<Vec<ToolCall<'a>>>,
    #[serde(borrow)]
    pub tool_call_id: Option<BorrowedText<'a>>,
    /// What `tool_calls` has replaced.
    pub function_call: Option<IgnoredAny>,
    pub audio: Option<IgnoredAny>,
}

#[derive(Debug)]
pub(super) enum Part<'a> {
    /// Also a refusal: what the assistant has said.
    Text(BorrowedText<'a>),
    Image(Box<BorrowedText<'a>>),
    File(Box<File<'a>>),
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct File<'a> {
    /// A data URL.
    #[serde(borrow)]
    pub file_data: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    pub filename: Option<BorrowedText<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct ToolCall<'a> {
    #[serde(borrow)]
    pub id: BorrowedText<'a>,
    #[serde(borrow)]
    pub function: Option<CalledFunction<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct CalledFunction<'a> {
    #[serde(borrow)]
    pub name: BorrowedText<'a>,
    /// JSON as text.
    #[serde(borrow)]
    pub arguments: Option<BorrowedText<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Tool<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: BorrowedText<'a>,
    #[serde(borrow)]
    pub function: Option<Function<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct Function<'a> {
    #[serde(borrow)]
    pub name: BorrowedText<'a>,
    #[serde(borrow)]
    pub description: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    pub parameters: Option<&'a RawValue>,
    pub strict: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "neither a mode nor a named function")]
pub(super) enum ToolChoice<'a> {
    Mode(#[serde(borrow)] BorrowedText<'a>),
    Named {
        #[serde(rename = "type", borrow)]
        kind: BorrowedText<'a>,
        #[serde(borrow)]
        function: Option<NamedFunction<'a>>,
    },
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct NamedFunction<'a> {
    #[serde(borrow)]
    pub name: BorrowedText<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct ResponseFormat<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: BorrowedText<'a>,
    #[serde(borrow)]
    pub json_schema: Option<JsonSchema<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
pub(super) struct JsonSchema<'a> {
    #[serde(borrow)]
    pub schema: Option<&'a RawValue>,
}

/// Every member that some kind of part has.
#[derive(Deserialize)]
#[serde(expecting = "a content part")]
struct FlatPart<'a> {
    #[serde(rename = "type", borrow)]
    kind: BorrowedText<'a>,
    #[serde(borrow)]
    text: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    refusal: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    image_url: Option<ImageUrl<'a>>,
    #[serde(borrow)]
    file: Option<File<'a>>,
}

/// `detail` is left out: Messages has one resolution.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct ImageUrl<'a> {
    #[serde(borrow)]
    url: BorrowedText<'a>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Part<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let flat = FlatPart::deserialize(deserializer)?;
        let needed = |member| move || D::Error::custom(missing(member));
        Ok(match &*flat.kind {
            "text" => Self::Text(flat.text.ok_or_else(needed("text"))?),
            "refusal" => Self::Text(flat.refusal.ok_or_else(needed("refusal"))?),
            "image_url" => Self::Image(Box::new(flat.image_url.ok_or_else(needed("image_url"))?.url)),
            "file" => Self::File(Box::new(flat.file.ok_or_else(needed("file"))?)),
            _ => Self::Other,
        })
    }
}
