//! The request: Messages to chat completions.

use super::{
    chat_body::{ChatBody, JsonSchema, Message, ResponseFormat, StreamOptions},
    effort::{chat_effort, effort_of_budget},
    form::{MessagesRequest, OutputFormat, Turn},
    parts::system_text,
    tools::{chat_tool_choice, chat_tools},
    turns::push_turn,
};
use crate::translate::{
    TranslationError,
    body::{read_request, refuse_unknown_members, write_request},
};

/// The members that [`MessagesRequest`] reads, and the model, which is the upstream's in what goes out.
pub(super) const READ: &[&str] = &[
    "model",
    "max_tokens",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "stop_sequences",
    "temperature",
    "top_p",
    "top_k",
    "stream",
    "thinking",
    "output_config",
    "output_format",
    "metadata",
];

/// Members that only tune, and that nobody could miss in the answer: how prompts are cached and what is told about it,
/// which tier serves the request and how fast, and which old blocks may be forgotten to save input.
///
/// Within what is read, these are left out for the same reason: `cache_control` on anything, `citations` on a text,
/// and of a tool `input_examples`, `eager_input_streaming`, `defer_loading` and `allowed_callers`.
pub(super) const LEFT_OUT: &[&str] = &["cache_control", "diagnostics", "context_management", "service_tier", "speed"];

/// The chat request that asks `upstream_model` the same as a Messages request.
///
/// What a chat request cannot say is refused with its path: members that are not known, Anthropic's own tools, files by
/// id, documents that are to be cited, a conversation that ends with the beginning of the answer. Thinking of earlier
/// turns is left out: chat completions have no place for it, and the models that they serve did not sign it.
pub fn request(body: &[u8], upstream_model: &str) -> Result<Vec<u8>, TranslationError> {
    refuse_unknown_members(body, &[READ, LEFT_OUT])?;
    let form: MessagesRequest<'_> = read_request(body)?;
    write_request(&chat_body(&form, upstream_model)?, body.len())
}

fn chat_body<'f>(form: &'f MessagesRequest<'_>, model: &'f str) -> Result<ChatBody<'f>, TranslationError> {
    let stream = form.stream.filter(|stream| *stream);
    Ok(ChatBody {
        model,
        messages: chat_messages(form)?,
        tools: chat_tools(form.tools.as_deref().unwrap_or_default())?,
        tool_choice: form.tool_choice.as_ref().map(chat_tool_choice).transpose()?,
        parallel_tool_calls: parallel_tool_calls(form),
        response_format: response_format(form)?,
        max_tokens: max_tokens(form)?,
        temperature: form.temperature,
        top_p: form.top_p,
        top_k: form.top_k,
        stop: form.stop_sequences.as_deref().filter(|stop| !stop.is_empty()),
        reasoning_effort: reasoning_effort(form)?,
        user: form.metadata.as_ref().and_then(|metadata| metadata.user_id.as_deref()),
        stream,
        stream_options: stream.map(|_| StreamOptions { include_usage: true }),
    })
}

fn chat_messages<'f>(form: &'f MessagesRequest<'_>) -> Result<Vec<Message<'f>>, TranslationError> {
    let Some(last) = form.messages.last() else {
        return Err(TranslationError::breaks_rule("messages", "must not be empty"));
    };
    let mut messages = Vec::with_capacity(form.messages.len() + 1);
    if let Some(system) = &form.system {
        messages.push(Message::System { content: system_text(system).map_err(|error| error.inside("system"))? });
    }
    for (index, turn) in form.messages.iter().enumerate() {
        push_turn(turn, &mut messages).map_err(|error| error.inside(format_args!("messages.{index}")))?;
    }
    refuse_prefill(last, form.messages.len() - 1)?;
    Ok(messages)
}

/// Messages continues a last turn of the assistant's; a chat server would answer it.
fn refuse_prefill(last: &Turn<'_>, index: usize) -> Result<(), TranslationError> {
    if &*last.role != "assistant" {
        return Ok(());
    }
    let reason = "this model's upstream cannot go on with a turn of the assistant's; end with a turn of the user's";
    Err(TranslationError::unsupported(format!("messages.{index}"), reason))
}

fn max_tokens(form: &MessagesRequest<'_>) -> Result<u64, TranslationError> {
    match form.max_tokens {
        None => Err(TranslationError::invalid("max_tokens", "missing required field `max_tokens`")),
        Some(0) => Err(TranslationError::unsupported("max_tokens", "this model's upstream has no cache to warm")),
        Some(tokens) => Ok(tokens),
    }
}

fn parallel_tool_calls(form: &MessagesRequest<'_>) -> Option<bool> {
    let disabled = form.tool_choice.as_ref()?.disable_parallel_tool_use?;
    disabled.then_some(false)
}

/// A named level wins over a budget. Thinking that is off or left to the model says nothing: not every server knows the
/// level `none`, and a model that cannot reason refuses any.
fn reasoning_effort(form: &MessagesRequest<'_>) -> Result<Option<&'static str>, TranslationError> {
    if let Some(effort) = form.output_config.as_ref().and_then(|config| config.effort.as_deref()) {
        let known = chat_effort(effort).ok_or_else(|| {
            TranslationError::breaks_rule("output_config.effort", "must be `low`, `medium`, `high`, `xhigh` or `max`")
        });
        return known.map(Some);
    }
    let Some(thinking) = &form.thinking else { return Ok(None) };
    match (&*thinking.kind, thinking.budget_tokens) {
        ("enabled", Some(budget)) => Ok(Some(effort_of_budget(budget))),
        ("enabled", None) => {
            let message = "missing required field `thinking.budget_tokens`";
            Err(TranslationError::invalid("thinking.budget_tokens", message))
        }
        ("disabled" | "adaptive" | "between_tools", _) => Ok(None),
        _ => Err(TranslationError::unsupported("thinking.type", "this model's upstream has nothing like it")),
    }
}

fn response_format<'f>(form: &'f MessagesRequest<'_>) -> Result<Option<ResponseFormat<'f>>, TranslationError> {
    let config = form.output_config.as_ref().and_then(|config| config.format.as_ref());
    match (config, &form.output_format) {
        (Some(format), _) => json_schema(format).map_err(|error| error.inside("output_config.format")).map(Some),
        (None, Some(format)) => json_schema(format).map_err(|error| error.inside("output_format")).map(Some),
        (None, None) => Ok(None),
    }
}

/// Messages promises an answer that follows the schema; `strict` is how chat completions are asked for that promise.
fn json_schema<'f>(format: &'f OutputFormat<'_>) -> Result<ResponseFormat<'f>, TranslationError> {
    if &*format.kind != "json_schema" {
        return Err(TranslationError::breaks_rule("type", "must be `json_schema`"));
    }
    let schema = format.schema.ok_or_else(|| TranslationError::breaks_rule("schema", "is missing"))?;
    Ok(ResponseFormat { kind: "json_schema", json_schema: JsonSchema { name: "answer", schema, strict: true } })
}
