//! The items of the input.
//!
//! | item | in chat |
//! | --- | --- |
//! | `message`, also without a type | a message; `developer` speaks as `system`, which every template knows |
//! | `function_call`, `custom_tool_call`, `local_shell_call` | a tool call of the assistant, as `tools.rs` names it |
//! | their outputs | a `tool` message; pictures and files follow in a `user` message |
//! | `reasoning` | left out: chat has no member for it, and strict servers refuse the ones that others have invented |
//!
//! Everything else belongs to server-side tools or to a server that keeps items, and is refused. Left out, as they only
//! label: `id`, `status` and `phase` of items.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    super::{
        object::Object,
        tools::{LOCAL_SHELL, chat_name, shown},
    },
    chat_body::{Message, Part},
    content::{read_parts, read_text},
    conversation::Conversation,
};
use crate::{scan::Kind, translate::TranslationError};

/// The messages that `instructions` and `input` make.
pub(super) fn messages<'a>(request: &Object<'a>) -> Result<Vec<Message<'a>>, TranslationError> {
    let mut conversation = Conversation::default();
    if let Some(instructions) = request.text("instructions")?.filter(|text| !text.is_empty()) {
        conversation.system(instructions);
    }
    match request.kind_of("input") {
        None => return Err(request.missing("input")),
        Some(Kind::String) => conversation.user(vec![Part::Text { text: request.required_text("input")? }]),
        Some(Kind::Array) => {
            request.each_object("input", |item| read_item(&item, &mut conversation))?;
        }
        Some(_) => return Err(request.invalid("input", "must be a string or an array")),
    }
    conversation.into_messages().ok_or_else(|| request.invalid("input", "must not be empty"))
}

fn read_item<'a>(item: &Object<'a>, conversation: &mut Conversation<'a>) -> Result<(), TranslationError> {
    let kind = match item.text("type")? {
        Some(kind) => kind,
        None if item.has("role") => Cow::Borrowed("message"),
        None if item.has("id") => Cow::Borrowed("item_reference"),
        None => return Err(item.missing("type")),
    };
    match &*kind {
        "message" => read_message(item, conversation),
        "function_call" => read_call(item, item.required_text("name")?, item.required_text("arguments")?, conversation),
        "custom_tool_call" => {
            let arguments = json_text(&CustomArguments { input: item.required_text("input")? });
            read_call(item, item.required_text("name")?, arguments, conversation)
        }
        "local_shell_call" => read_call(item, Cow::Borrowed(LOCAL_SHELL), local_shell_arguments(item)?, conversation),
        "function_call_output" | "custom_tool_call_output" | "local_shell_call_output" => {
            read_result(item, conversation)
        }
        "reasoning" => Ok(()),
        "item_reference" => Err(TranslationError::unsupported(
            item.path(),
            "this model's upstream keeps no items; send the item itself",
        )),
        _ => Err(item.unsupported("type", format!("items of the type `{}` cannot be translated", shown(&kind)))),
    }
}

fn read_message<'a>(item: &Object<'a>, conversation: &mut Conversation<'a>) -> Result<(), TranslationError> {
    match &*item.required_text("role")? {
        "user" => conversation.user(read_parts(item, "content")?),
        "assistant" => conversation.assistant(read_text(item, "content")?),
        "system" | "developer" => conversation.system(read_text(item, "content")?),
        _ => return Err(item.invalid("role", "must be `user`, `assistant`, `system` or `developer`")),
    }
    Ok(())
}

fn read_call<'a>(
    item: &Object<'a>,
    name: Cow<'a, str>,
    arguments: Cow<'a, str>,
    conversation: &mut Conversation<'a>,
) -> Result<(), TranslationError> {
    let name = match item.text("namespace")? {
        Some(namespace) => Cow::Owned(chat_name(Some(&namespace), &name).into_owned()),
        None => name,
    };
    conversation.call(call_id(item)?, name, arguments);
    Ok(())
}

fn read_result<'a>(item: &Object<'a>, conversation: &mut Conversation<'a>) -> Result<(), TranslationError> {
    let output = read_parts(item, "output")?;
    if conversation.result(call_id(item)?, output) {
        return Ok(());
    }
    let member = if item.has("call_id") { "call_id" } else { "id" };
    Err(item.invalid(member, "is the id of no call that stands before it"))
}

/// Items of the local shell are documented with the call's id in `id`, and sent with it in `call_id`.
fn call_id<'a>(item: &Object<'a>) -> Result<Cow<'a, str>, TranslationError> {
    let id = item.text("call_id")?;
    let of_local_shell = item.text("type")?.is_some_and(|kind| kind.starts_with(LOCAL_SHELL));
    let id = if id.is_none() && of_local_shell { item.text("id")? } else { id };
    id.ok_or_else(|| item.missing("call_id"))
}

#[derive(Serialize)]
struct CustomArguments<'a> {
    input: Cow<'a, str>,
}

#[derive(Serialize)]
struct LocalShellArguments<'a> {
    command: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    env: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    working_directory: Option<Cow<'a, str>>,
}

fn local_shell_arguments<'a>(item: &Object<'a>) -> Result<Cow<'a, str>, TranslationError> {
    let action = item.object("action")?.ok_or_else(|| item.missing("action"))?;
    let mut command = Vec::new();
    let listed = action.each_text("command", |word, _| {
        command.push(word);
        Ok(())
    })?;
    if !listed {
        return Err(action.missing("command"));
    }
    Ok(json_text(&LocalShellArguments {
        command,
        env: action.raw_object("env")?,
        timeout_ms: action.count("timeout_ms")?,
        user: action.text("user")?,
        working_directory: action.text("working_directory")?,
    }))
}

/// Strings and values that were JSON before: writing them into memory cannot fail.
fn json_text(arguments: &impl Serialize) -> Cow<'static, str> {
    serde_json::to_string(arguments).unwrap_or_default().into()
}
