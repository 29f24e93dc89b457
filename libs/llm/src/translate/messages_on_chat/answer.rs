//! The whole answer: a ChatCompletion to a Message.

use serde::de::Error;

use super::{
    MessageSettings,
    message::{Block, Message, Stop, Usage, made_call_id, refusal},
    tool_input::ToolInput,
};
use crate::translate::{
    UntranslatableAnswer,
    chat::{ChatChoice, ChatCompletion, ChatContent, ChatMessage, ChatPart, ChatToolCall},
};

/// A Message made from a ChatCompletion; of several choices the first.
///
/// Reasoning becomes a thinking block with an empty signature, arguments that are no JSON object become the object
/// `{"arguments": "<as the model wrote them>"}`, a refusal in words becomes text.
pub fn answer(body: &[u8], settings: &MessageSettings) -> Result<Vec<u8>, UntranslatableAnswer> {
    let completion: ChatCompletion = serde_json::from_slice(body)?;
    let Some(choice) = completion.choices.first() else {
        return Err(serde_json::Error::custom("no choices").into());
    };
    let ids = call_ids(&choice.message, &settings.message_id);
    let stop = stop(choice);
    let message = Message {
        id: &settings.message_id,
        kind: "message",
        role: "assistant",
        model: &settings.client_model,
        content: blocks(&choice.message, &ids),
        stop_reason: Some(stop.reason()),
        stop_sequence: stop.sequence.as_deref().filter(|_| stop.reason() == "stop_sequence"),
        usage: Usage::from_chat(completion.usage.as_ref()),
    };
    Ok(serde_json::to_vec(&message)?)
}

fn stop(choice: &ChatChoice) -> Stop {
    let mut stop = Stop {
        refused: refusal(&choice.message).is_some(),
        called_tools: !calls(&choice.message).is_empty(),
        ..Stop::default()
    };
    stop.note(choice.finish_reason.as_deref(), choice.stop_reason.as_ref());
    stop
}

fn blocks<'a>(message: &'a ChatMessage, ids: &'a [String]) -> Vec<Block<'a>> {
    let mut blocks = Vec::new();
    if let Some(thinking) = message.reasoning_text() {
        blocks.push(Block::Thinking { thinking, signature: "" });
    }
    let texts = message.content.iter().flat_map(texts).chain(refusal(message));
    blocks.extend(texts.filter(|text| !text.is_empty()).map(|text| Block::Text { text }));
    for (call, id) in calls(message).iter().zip(ids) {
        let name = call.function.name.as_deref().unwrap_or_default();
        let arguments = call.function.arguments.as_deref().unwrap_or_default();
        blocks.push(Block::ToolUse { id, name, input: ToolInput::from_arguments(arguments) });
    }
    blocks
}

fn texts(content: &ChatContent) -> Vec<&str> {
    match content {
        ChatContent::Text(text) => vec![text],
        ChatContent::Parts(parts) => parts.iter().filter_map(part_text).collect(),
    }
}

fn part_text(part: &ChatPart) -> Option<&str> {
    match part {
        ChatPart::Text { text } | ChatPart::Refusal { refusal: text } => Some(text),
        ChatPart::ImageUrl { .. } | ChatPart::InputAudio { .. } | ChatPart::File { .. } => None,
    }
}

fn calls(message: &ChatMessage) -> &[ChatToolCall] {
    message.tool_calls.as_deref().unwrap_or_default()
}

fn call_ids(message: &ChatMessage, message_id: &str) -> Vec<String> {
    let given = |call: &ChatToolCall| call.id.clone().filter(|id| !id.is_empty());
    let numbered = calls(message).iter().enumerate();
    numbered.map(|(number, call)| given(call).unwrap_or_else(|| made_call_id(message_id, number))).collect()
}
