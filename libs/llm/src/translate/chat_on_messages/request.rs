//! The request: chat completions to Messages.

use super::{
    form::{ChatForm, ResponseFormat},
    messages_body::{MessagesBody, Metadata, OutputConfig, OutputFormat},
    thinking::{ThinkingPlan, ThinkingWish},
    tools::{messages_tool_choice, messages_tools},
    turns::Conversation,
};
use crate::translate::{
    TranslationError,
    body::{BorrowedText, Content, read_request, refuse_unknown_members, write_request},
};

/// What a client gets that names no bound, in tokens: Messages requires one, chat completions does not.
pub const DEFAULT_MAX_TOKENS: u64 = 4_096;

/// The members that [`ChatForm`] reads, and the model, which is the upstream's in what goes out.
const READ: &[&str] = &[
    "model",
    "messages",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "stream",
    "reasoning_effort",
    "user",
    "safety_identifier",
    "n",
    "logprobs",
    "store",
    "modalities",
];

/// Members that only tune, and that nobody could miss in the answer: how words are weighted, how alike two answers may
/// be, how wordy they are, how prompts are cached, which tier serves the request. `metadata` belongs to stored answers,
/// of which there are none, and what `stream_options` asks for is done here.
///
/// Within what is read, these are left out for the same reason: a message's `name`, an image's `detail`, the name of a
/// schema.
const LEFT_OUT: &[&str] = &[
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "verbosity",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "service_tier",
    "metadata",
    "stream_options",
];

/// The highest temperature that Messages knows; chat completions go to 2.
const MAX_TEMPERATURE: f64 = 1.0;

/// The Messages request that asks `upstream_model` the same as a chat request. A client that names no bound on the answer
/// gets `default_max_tokens`.
///
/// - System messages go to the front, whatever stood between them; messages in a row from the same side become one turn.
/// - A temperature above 1 becomes 1, the hottest that there is. Beside it `top_p` is left out, since newer models
///   refuse the two together; both are left out while the model thinks.
/// - What Messages cannot say is refused with its path: members that are not known, several answers, log probabilities,
///   sound, the old functions, JSON without a schema.
pub fn request(body: &[u8], upstream_model: &str, default_max_tokens: u64) -> Result<Vec<u8>, TranslationError> {
    refuse_unknown_members(body, &[READ, LEFT_OUT])?;
    let form: ChatForm<'_> = read_request(body)?;
    refuse_values(&form)?;
    write_request(&messages_body(&form, upstream_model, default_max_tokens)?, body.len())
}

/// Members that are known, but of which only one value can be said.
fn refuse_values(form: &ChatForm<'_>) -> Result<(), TranslationError> {
    let wants_sound = || form.modalities.iter().flatten().any(|modality| &**modality != "text");
    let refused = if form.n.is_some_and(|count| count != 1) {
        ("n", "this model's upstream gives one answer")
    } else if form.logprobs == Some(true) {
        ("logprobs", "this model's upstream does not tell probabilities")
    } else if form.store == Some(true) {
        ("store", "this model's upstream does not store answers")
    } else if wants_sound() {
        ("modalities", "this model's upstream answers in text only")
    } else {
        return Ok(());
    };
    Err(TranslationError::unsupported(refused.0, refused.1))
}

fn messages_body<'f>(
    form: &'f ChatForm<'_>,
    model: &'f str,
    default_max_tokens: u64,
) -> Result<MessagesBody<'f>, TranslationError> {
    let conversation = Conversation::read(&form.messages)?;
    let tool_choice = messages_tool_choice(form)?;
    let plan = ThinkingWish {
        effort: form.reasoning_effort.as_deref(),
        upstream_model: model,
        max_tokens: form.max_completion_tokens.or(form.max_tokens),
        default_max_tokens,
        forces_tool: tool_choice.as_ref().is_some_and(|choice| matches!(choice.kind, "any" | "tool")),
        in_tool_loop: conversation.in_tool_loop,
    };
    let ThinkingPlan { thinking, effort, max_tokens } = plan.plan()?;
    let (temperature, top_p) = if thinking.is_some() { (None, None) } else { sampling(form)? };
    Ok(MessagesBody {
        model,
        max_tokens,
        system: conversation.system.0,
        messages: conversation.turns,
        tools: messages_tools(form.tools.as_deref().unwrap_or_default())?,
        tool_choice,
        stop_sequences: stop_sequences(form.stop.as_ref()),
        temperature,
        top_p,
        top_k: form.top_k.filter(|_| thinking.is_none()),
        thinking,
        output_config: OutputConfig { effort, format: output_format(form.response_format.as_ref())? },
        metadata: form.user.as_deref().or(form.safety_identifier.as_deref()).map(|user_id| Metadata { user_id }),
        stream: form.stream.filter(|stream| *stream),
    })
}

fn sampling(form: &ChatForm<'_>) -> Result<(Option<f64>, Option<f64>), TranslationError> {
    if form.temperature.is_some_and(|temperature| !(0.0..=2.0).contains(&temperature)) {
        return Err(TranslationError::breaks_rule("temperature", "must be between 0 and 2"));
    }
    let temperature = form.temperature.map(|temperature| temperature.min(MAX_TEMPERATURE));
    Ok((temperature, form.top_p.filter(|_| temperature.is_none())))
}

fn stop_sequences<'f>(stop: Option<&'f Content<'_, BorrowedText<'_>>>) -> Option<&'f [BorrowedText<'f>]> {
    match stop? {
        Content::Text(one) => Some(std::slice::from_ref(one)),
        Content::Blocks(several) => Some(several.as_slice()).filter(|several| !several.is_empty()),
    }
}

fn output_format<'f>(format: Option<&'f ResponseFormat<'_>>) -> Result<Option<OutputFormat<'f>>, TranslationError> {
    let Some(format) = format else { return Ok(None) };
    let schema = format.json_schema.as_ref().and_then(|named| named.schema);
    match (&*format.kind, schema) {
        ("text", _) => Ok(None),
        ("json_schema", Some(schema)) => Ok(Some(OutputFormat { kind: "json_schema", schema })),
        ("json_schema", None) => Err(TranslationError::breaks_rule("response_format.json_schema.schema", "is missing")),
        _ => Err(TranslationError::unsupported(
            "response_format.type",
            "this model's upstream writes JSON only by a schema; use `json_schema`",
        )),
    }
}
