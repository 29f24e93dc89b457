//! The whole answer: a Message to a ChatCompletion.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    CompletionSettings,
    completion::{Choice, Completion, Function, Message, ToolCall, chat_usage, finish_reason},
};
use crate::{
    translate::{UntranslatableAnswer, body::BorrowedText},
    usage::UsageCollector,
};

/// A ChatCompletion made from a Message, under the Message's own id.
///
/// Text blocks become the content, in a row as they came; thinking becomes `reasoning_content`. What is no text, thinking
/// or call of the client's tools (blocks of Anthropic's own tools, which no translated request asks for) is left out.
pub fn answer(body: &[u8], settings: &CompletionSettings) -> Result<Vec<u8>, UntranslatableAnswer> {
    let message: UpstreamMessage<'_> = serde_json::from_slice(body)?;
    let mut usage = UsageCollector::default();
    if let Some(report) = message.usage {
        usage.observe(report.get().as_bytes());
    }
    let tool_calls = tool_calls(&message.content);
    let finish_reason = finish_reason(message.stop_reason.as_deref(), !tool_calls.is_empty());
    let content = text_of(&message.content, |block| block.text.as_deref());
    let completion = Completion {
        id: &message.id,
        object: "chat.completion",
        created: settings.created,
        model: &settings.client_model,
        choices: [Choice {
            index: 0,
            message: Message {
                role: "assistant",
                content: content.or_else(|| tool_calls.is_empty().then(String::new)),
                refusal: None,
                reasoning_content: text_of(&message.content, |block| block.thinking.as_deref()),
                tool_calls,
            },
            logprobs: None,
            finish_reason,
        }],
        usage: chat_usage(&usage),
    };
    Ok(serde_json::to_vec(&completion)?)
}

#[derive(Deserialize)]
struct UpstreamMessage<'a> {
    #[serde(borrow, default)]
    id: BorrowedText<'a>,
    #[serde(borrow)]
    content: Vec<UpstreamBlock<'a>>,
    #[serde(borrow)]
    stop_reason: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// A block of any kind: text and thinking are named after what they hold.
#[derive(Deserialize)]
struct UpstreamBlock<'a> {
    #[serde(rename = "type", borrow)]
    kind: BorrowedText<'a>,
    #[serde(borrow)]
    text: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    thinking: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    id: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    name: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

fn text_of<'m>(
    blocks: &'m [UpstreamBlock<'_>],
    member: impl Fn(&'m UpstreamBlock<'_>) -> Option<&'m str>,
) -> Option<String> {
    let told = blocks.iter().filter(|block| matches!(&*block.kind, "text" | "thinking"));
    let texts: String = told.filter_map(member).collect();
    (!texts.is_empty()).then_some(texts)
}

fn tool_calls<'m>(blocks: &'m [UpstreamBlock<'_>]) -> Vec<ToolCall<'m>> {
    let called = blocks.iter().filter(|block| &*block.kind == "tool_use");
    let call = |block: &'m UpstreamBlock<'_>| ToolCall {
        id: block.id.as_deref().unwrap_or_default(),
        kind: "function",
        function: Function {
            name: block.name.as_deref().unwrap_or_default(),
            arguments: block.input.map_or("{}", RawValue::get),
        },
    };
    called.map(call).collect()
}
