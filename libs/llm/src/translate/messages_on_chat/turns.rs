//! One turn of the conversation as chat messages.

use std::borrow::Cow;

use super::{
    chat_body::{CalledFunction, Message, Part, ToolCall, UserContent},
    form::{Block, ResultBlock, ToolResult, ToolUse, Turn},
    parts::{block_parts, system_text, unsupported_block},
};
use crate::translate::{
    TranslationError,
    body::{Content, Joined},
};

pub(super) fn push_turn<'f>(turn: &'f Turn<'_>, messages: &mut Vec<Message<'f>>) -> Result<(), TranslationError> {
    match &*turn.role {
        "user" => push_user(&turn.content, messages),
        "assistant" => push_assistant(&turn.content, messages),
        "system" => {
            let content = system_text(&turn.content).map_err(|error| error.inside("content"))?;
            messages.push(Message::System { content });
            Ok(())
        }
        _ => Err(TranslationError::breaks_rule("role", "must be `user`, `assistant` or `system`")),
    }
}

/// Results of tools become messages of their own, which chat servers want directly behind the calls; so they go first,
/// and what else the user says comes after them in its own order.
fn push_user<'f>(content: &'f Content<'_, Block<'_>>, messages: &mut Vec<Message<'f>>) -> Result<(), TranslationError> {
    let blocks = match content {
        Content::Text(text) => {
            messages.push(Message::User { content: UserContent::Text(Cow::Borrowed(text)) });
            return Ok(());
        }
        Content::Blocks(blocks) if blocks.is_empty() => {
            return Err(TranslationError::breaks_rule("content", "must not be empty"));
        }
        Content::Blocks(blocks) => blocks,
    };
    let mut parts = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        let pushed = match block {
            Block::ToolResult(result) => push_result(result, messages, &mut parts),
            other => block_parts(other, &mut parts),
        };
        pushed.map_err(|error| error.inside(format_args!("content.{index}")))?;
    }
    if !parts.is_empty() {
        messages.push(Message::User { content: user_content(parts) });
    }
    Ok(())
}

fn user_content(mut parts: Vec<Part<'_>>) -> UserContent<'_> {
    match (parts.pop(), parts.is_empty()) {
        (Some(Part::Text { text }), true) => UserContent::Text(text),
        (Some(last), _) => {
            parts.push(last);
            UserContent::Parts(parts)
        }
        (None, _) => UserContent::Parts(parts),
    }
}

/// A message of the role `tool` holds text only. Images and files of the result go into the user's message that follows,
/// with a line that says where they come from. That the tool has failed is said in the text: chat has no mark for it.
fn push_result<'f>(
    result: &'f ToolResult<'_>,
    messages: &mut Vec<Message<'f>>,
    parts: &mut Vec<Part<'f>>,
) -> Result<(), TranslationError> {
    let (text, others) = match &result.content {
        None => (Cow::Borrowed(""), Vec::new()),
        Some(Content::Text(text)) => (Cow::Borrowed(&**text), Vec::new()),
        Some(Content::Blocks(blocks)) => split_result(blocks)?,
    };
    let text = match (&*text, others.is_empty()) {
        ("", false) => Cow::Borrowed("The result follows in the next message."),
        _ => text,
    };
    let content = if result.is_error { Cow::Owned(format!("Error: {text}")) } else { text };
    messages.push(Message::Tool { tool_call_id: &result.tool_use_id, content });
    if !others.is_empty() {
        let origin = format!("From the result of the tool call {}:", &*result.tool_use_id);
        parts.push(Part::Text { text: Cow::Owned(origin) });
        parts.extend(others);
    }
    Ok(())
}

/// The text of a result, and what is not text.
fn split_result<'f>(blocks: &'f [ResultBlock<'_>]) -> Result<(Cow<'f, str>, Vec<Part<'f>>), TranslationError> {
    let (mut text, mut others) = (Joined::default(), Vec::new());
    for (index, ResultBlock(block)) in blocks.iter().enumerate() {
        match block {
            Block::Text(line) => text.push(line),
            other => {
                block_parts(other, &mut others).map_err(|error| error.inside(format_args!("content.{index}")))?;
            }
        }
    }
    Ok((text.0.unwrap_or_default(), others))
}

/// Texts become one: not every server takes a list from the assistant. Thinking is left out, see [`super::request`].
fn push_assistant<'f>(
    content: &'f Content<'_, Block<'_>>,
    messages: &mut Vec<Message<'f>>,
) -> Result<(), TranslationError> {
    let (mut text, mut tool_calls) = (Joined::default(), Vec::new());
    match content {
        Content::Text(line) => text.push(line),
        Content::Blocks(blocks) => {
            for (index, block) in blocks.iter().enumerate() {
                match block {
                    Block::Text(line) => text.push(line),
                    Block::ToolUse(call) => tool_calls.push(tool_call(call)),
                    Block::Thinking => {}
                    _ => return Err(unsupported_block().inside(format_args!("content.{index}"))),
                }
            }
        }
    }
    if text.0.is_some() || !tool_calls.is_empty() {
        messages.push(Message::Assistant { content: text.0, tool_calls });
    }
    Ok(())
}

fn tool_call<'f>(call: &'f ToolUse<'_>) -> ToolCall<'f> {
    ToolCall {
        id: &call.id,
        kind: "function",
        function: CalledFunction { name: &call.name, arguments: call.input.get() },
    }
}
