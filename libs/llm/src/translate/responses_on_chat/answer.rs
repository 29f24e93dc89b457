//! A whole chat completion as a Response object.

use super::{
    ResponseSettings,
    items::{OutputItem, Part, WholeCall, call_status},
    response::{Response, Standing},
};
use crate::translate::{
    UntranslatableAnswer,
    chat::{ChatChoice, ChatCompletion, ChatContent, ChatMessage, ChatPart},
};

/// Says a whole chat completion as a Response object. Only the first choice is read: more were not asked for.
pub fn answer(body: &[u8], settings: &ResponseSettings) -> Result<Vec<u8>, UntranslatableAnswer> {
    let completion: ChatCompletion = serde_json::from_slice(body)?;
    let choice = completion.choices.into_iter().find(|choice| choice.index == 0).unwrap_or_default();
    let standing = Standing::of_finish(choice.finish_reason.as_deref());
    let output = output(settings, &choice, &standing);
    Ok(serde_json::to_vec(&Response::new(settings, standing, &output, completion.usage))?)
}

/// Reasoning, then what was said, then calls: the order in which models produce them.
fn output(settings: &ResponseSettings, choice: &ChatChoice, standing: &Standing<'_>) -> Vec<OutputItem> {
    let message = &choice.message;
    let status = standing.of_items();
    let mut output = Vec::new();
    if let Some(text) = message.reasoning_text() {
        let content = vec![Part::ReasoningText { text: text.to_owned() }];
        output.push(OutputItem::reasoning(settings, output.len(), content, status));
    }
    let parts = message_parts(message);
    if !parts.is_empty() {
        output.push(OutputItem::message(settings, output.len(), parts, status));
    }
    for (number, call) in message.tool_calls.iter().flatten().enumerate() {
        let call_id = call.id.clone().filter(|id| !id.is_empty()).unwrap_or_else(|| settings.call_id(number));
        let arguments = call.function.arguments.as_deref().unwrap_or_default();
        let chat_name = call.function.name.as_deref().unwrap_or_default();
        let whole = WholeCall { call_id: &call_id, chat_name, arguments };
        output.push(OutputItem::call(settings, output.len(), whole, call_status(arguments, status)));
    }
    output
}

fn message_parts(message: &ChatMessage) -> Vec<Part> {
    let mut parts = Vec::new();
    match &message.content {
        Some(ChatContent::Text(text)) => parts.push(Part::output_text(text.clone())),
        Some(ChatContent::Parts(chat_parts)) => parts.extend(chat_parts.iter().filter_map(text_part)),
        None => {}
    }
    if let Some(refusal) = &message.refusal {
        parts.push(Part::Refusal { refusal: refusal.clone() });
    }
    parts.retain(|part| !part.text().is_empty());
    parts
}

/// Parts of other kinds are never in a message of the assistant.
pub(super) fn text_part(part: &ChatPart) -> Option<Part> {
    match part {
        ChatPart::Text { text } => Some(Part::output_text(text.clone())),
        ChatPart::Refusal { refusal } => Some(Part::Refusal { refusal: refusal.clone() }),
        ChatPart::ImageUrl { .. } | ChatPart::InputAudio { .. } | ChatPart::File { .. } => None,
    }
}
