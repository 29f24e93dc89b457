//! A Responses request as a chat request.

mod chat_body;
mod content;
mod conversation;
mod input;
mod tool_choice;

use std::{borrow::Cow, collections::BTreeMap};

use chat_body::{ChatBody, Function, JsonSchema, ResponseFormat, StreamOptions, Tool};
use serde_json::value::RawValue;

use super::{
    object::Object,
    tools::{DeclaredTool, declared_tools, shown},
};
use crate::translate::TranslationError;

/// Fields that are said in the chat request.
const TRANSLATED: [&str; 15] = [
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "model",
    "parallel_tool_calls",
    "reasoning",
    "safety_identifier",
    "stream",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_p",
    "user",
];

/// Fields that only tune, label or pay, and that the answer tells the truth about: nothing is stored (`store`), nothing
/// is cut away (`truncation`), no server-side tool is called (`max_tool_calls`), deltas are not padded
/// (`stream_options`).
const LEFT_OUT: [&str; 13] = [
    "access_programs",
    "background_options",
    "client_metadata",
    "image",
    "max_tool_calls",
    "metadata",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "service_tier",
    "store",
    "stream_options",
    "truncation",
];

/// Not of this API, but servers of open models know them in both, and clients send them as extras.
const PASSED_ON: [&str; 8] = [
    "chat_template_kwargs",
    "frequency_penalty",
    "min_p",
    "presence_penalty",
    "repetition_penalty",
    "seed",
    "stop",
    "top_k",
];

/// What needs a server that keeps answers, or results that chat has no place for.
const REFUSED: [(&str, &str); 5] = [
    ("previous_response_id", "this model's upstream keeps no answers; send the whole conversation as `input`"),
    ("conversation", "this model's upstream keeps no conversations; send the whole conversation as `input`"),
    ("prompt", "this model's upstream keeps no prompts; send `instructions` and `input`"),
    ("context_management", "this model's upstream does not shorten conversations"),
    ("moderation", "this model's upstream does not moderate"),
];

/// Says a Responses request as a chat request for the model that the upstream knows as `upstream_model`.
///
/// Fields are translated, left out or refused by the lists above; a field that stands in none of them is refused, since
/// nobody can tell what leaving it out would change. How items, tools and content parts are said is documented where
/// they are read.
pub fn request(body: &[u8], upstream_model: &str) -> Result<Vec<u8>, TranslationError> {
    let request = Object::parse(body)?;
    refuse_what_chat_cannot_do(&request)?;
    let mut tools = declared_tools(&request)?;
    let tool_choice = tool_choice::tool_choice(&request, &mut tools)?;
    // Servers refuse this one, too, when there are no tools.
    let parallel_tool_calls = request.flag("parallel_tool_calls")?.filter(|_| !tools.is_empty());
    let stream = request.flag("stream")?.unwrap_or(false);
    let chat = ChatBody {
        model: upstream_model,
        messages: input::messages(&request)?,
        tools: tools.iter().map(chat_tool).collect(),
        tool_choice,
        parallel_tool_calls,
        response_format: response_format(&request)?,
        // The name that servers without Responses know; only OpenAI's own newer models insist on the longer one.
        max_tokens: request.count("max_output_tokens")?,
        temperature: request.number("temperature")?,
        top_p: request.number("top_p")?,
        reasoning_effort: optional_member(&request, "reasoning", "effort")?,
        verbosity: optional_member(&request, "text", "verbosity")?,
        user: request.text("user")?.or(request.text("safety_identifier")?),
        stream,
        stream_options: stream.then_some(StreamOptions { include_usage: true }),
        passed_on: passed_on(&request)?,
    };
    serde_json::to_vec(&chat).map_err(|error| TranslationError::from_json(&error))
}

fn refuse_what_chat_cannot_do(request: &Object<'_>) -> Result<(), TranslationError> {
    for (name, reason) in REFUSED {
        if request.has(name) {
            return Err(request.unsupported(name, reason));
        }
    }
    if request.flag("background")? == Some(true) {
        return Err(request.unsupported("background", "answers are not made in the background"));
    }
    if request.count("top_logprobs")?.is_some_and(|count| count > 0) {
        return Err(request.unsupported("top_logprobs", "log probabilities are not translated"));
    }
    refuse_includes(request)?;
    refuse_unknown(request)
}

/// What an include asks for belongs to server-side tools, which are refused anyway, or to encrypted reasoning, which
/// such upstreams do not have: their answers simply lack it. Log probabilities they may have.
fn refuse_includes(request: &Object<'_>) -> Result<(), TranslationError> {
    request.each_text("include", |include, path| {
        if include == "message.output_text.logprobs" {
            return Err(TranslationError::unsupported(path, "log probabilities are not translated"));
        }
        Ok(())
    })?;
    Ok(())
}

fn refuse_unknown(request: &Object<'_>) -> Result<(), TranslationError> {
    for name in request.names() {
        let name = name.decode().unwrap_or_default();
        let known = [&TRANSLATED[..], &LEFT_OUT, &PASSED_ON, &["background", "top_logprobs"]];
        if !known.iter().any(|names| names.contains(&&*name)) {
            let reason = "the field is not known, or this model's upstream has nothing that would do it";
            return Err(TranslationError::unsupported(shown(&name), reason));
        }
    }
    Ok(())
}

fn passed_on<'a>(request: &Object<'a>) -> Result<BTreeMap<&'static str, &'a RawValue>, TranslationError> {
    let mut values = BTreeMap::new();
    for name in PASSED_ON {
        if let Some(value) = request.raw(name)? {
            values.insert(name, value);
        }
    }
    Ok(values)
}

fn optional_member<'a>(
    request: &Object<'a>,
    object: &str,
    name: &str,
) -> Result<Option<Cow<'a, str>>, TranslationError> {
    request.object(object)?.map_or(Ok(None), |object| object.text(name))
}

fn chat_tool<'a>(tool: &'a DeclaredTool<'a>) -> Tool<'a> {
    Tool {
        kind: "function",
        function: Function {
            name: tool.chat_name(),
            description: tool.description.as_deref(),
            parameters: tool.parameters,
            strict: tool.strict,
        },
    }
}

fn response_format<'a>(request: &Object<'a>) -> Result<Option<ResponseFormat<'a>>, TranslationError> {
    let Some(text) = request.object("text")? else { return Ok(None) };
    let Some(format) = text.object("format")? else { return Ok(None) };
    match &*format.required_text("type")? {
        "text" => Ok(None),
        "json_object" => Ok(Some(ResponseFormat::JsonObject)),
        "json_schema" => Ok(Some(ResponseFormat::JsonSchema {
            json_schema: JsonSchema {
                name: format.required_text("name")?,
                description: format.text("description")?,
                schema: format.raw_object("schema")?.ok_or_else(|| format.missing("schema"))?,
                strict: format.flag("strict")?,
            },
        })),
        _ => Err(format.unsupported("type", "only `text`, `json_object` and `json_schema` are known")),
    }
}
