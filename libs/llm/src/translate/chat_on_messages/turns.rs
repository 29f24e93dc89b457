//! The conversation: chat messages as turns.

use std::borrow::Cow;

use super::{
    form::{ChatTurn, Part, ToolCall},
    messages_body::{Block, Turn},
    parts::{content_blocks, push_text, unsupported_part},
};
use crate::translate::{
    TranslationError,
    body::{Content, Joined},
    messages_on_chat::tool_input::ToolInput,
};

/// A conversation as Messages wants it: the system's words apart, and turns that alternate.
#[derive(Debug, Default)]
pub(super) struct Conversation<'f> {
    pub system: Joined<'f>,
    pub turns: Vec<Turn<'f>>,
    /// The last turn of the assistant's has called tools.
    pub in_tool_loop: bool,
}

impl<'f> Conversation<'f> {
    pub fn read(messages: &'f [ChatTurn<'_>]) -> Result<Self, TranslationError> {
        let mut conversation = Self::default();
        for (index, message) in messages.iter().enumerate() {
            conversation.push(message).map_err(|error| error.inside(format_args!("messages.{index}")))?;
        }
        if conversation.turns.is_empty() {
            return Err(TranslationError::breaks_rule("messages", "must hold a message of the user's"));
        }
        Ok(conversation)
    }

    fn push(&mut self, message: &'f ChatTurn<'_>) -> Result<(), TranslationError> {
        refuse_old_members(message)?;
        match &*message.role {
            "system" | "developer" => self.push_system(message),
            "user" => {
                let blocks = content_blocks(message)?;
                self.push_blocks("user", blocks);
                Ok(())
            }
            "assistant" => self.push_assistant(message),
            "tool" => self.push_result(message),
            "function" => Err(TranslationError::unsupported("role", "functions were replaced by tools")),
            _ => Err(TranslationError::breaks_rule("role", "must be one of the roles of chat completions")),
        }
    }

    /// Wherever such a message stands, it goes to the front: Messages has one place for it.
    fn push_system(&mut self, message: &'f ChatTurn<'_>) -> Result<(), TranslationError> {
        match &message.content {
            None => {}
            Some(Content::Text(text)) => self.system.push(text),
            Some(Content::Blocks(parts)) => {
                for (index, part) in parts.iter().enumerate() {
                    let Part::Text(text) = part else {
                        return Err(unsupported_part().inside(format_args!("content.{index}")));
                    };
                    self.system.push(text);
                }
            }
        }
        Ok(())
    }

    /// Reasoning that clients send back is left out: it has no signature, and Messages takes none without.
    fn push_assistant(&mut self, message: &'f ChatTurn<'_>) -> Result<(), TranslationError> {
        let mut blocks = content_blocks(message)?;
        push_text(&mut blocks, message.refusal.as_deref().unwrap_or_default());
        let calls = message.tool_calls.as_deref().unwrap_or_default();
        for (index, call) in calls.iter().enumerate() {
            blocks.push(tool_use(call).map_err(|error| error.inside(format_args!("tool_calls.{index}")))?);
        }
        self.in_tool_loop = !calls.is_empty();
        self.push_blocks("assistant", blocks);
        Ok(())
    }

    /// Results belong to the user's turn; those of several calls become one turn.
    fn push_result(&mut self, message: &'f ChatTurn<'_>) -> Result<(), TranslationError> {
        let Some(id) = message.tool_call_id.as_deref() else {
            return Err(TranslationError::breaks_rule("tool_call_id", "is missing"));
        };
        let result = Block::ToolResult { tool_use_id: call_id(id), content: content_blocks(message)? };
        self.push_blocks("user", vec![result]);
        Ok(())
    }

    fn push_blocks(&mut self, role: &'static str, blocks: Vec<Block<'f>>) {
        match self.turns.last_mut() {
            _ if blocks.is_empty() => {}
            Some(turn) if turn.role == role => turn.content.extend(blocks),
            _ => self.turns.push(Turn { role, content: blocks }),
        }
    }
}

fn refuse_old_members(message: &ChatTurn<'_>) -> Result<(), TranslationError> {
    if message.function_call.is_some() {
        return Err(TranslationError::unsupported("function_call", "functions were replaced by tools"));
    }
    if message.audio.is_some() {
        return Err(TranslationError::unsupported("audio", "this model's upstream has no sound"));
    }
    Ok(())
}

fn tool_use<'f>(call: &'f ToolCall<'_>) -> Result<Block<'f>, TranslationError> {
    let Some(function) = &call.function else {
        return Err(TranslationError::unsupported("type", "only calls of functions can be passed on"));
    };
    let arguments = function.arguments.as_deref().unwrap_or_default();
    Ok(Block::ToolUse { id: call_id(&call.id), name: &function.name, input: ToolInput::from_arguments(arguments) })
}

/// Messages takes letters, digits, `_` and `-` in the id of a call; other models' ids have more. The same id always
/// becomes the same, so that calls and results still meet.
fn call_id(id: &str) -> Cow<'_, str> {
    let is_fine = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    if id.chars().all(is_fine) {
        return Cow::Borrowed(id);
    }
    Cow::Owned(id.chars().map(|character| if is_fine(character) { character } else { '_' }).collect())
}
