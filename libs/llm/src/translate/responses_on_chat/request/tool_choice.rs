//! Which tools the model may or must call.

use std::collections::HashSet;

use super::{
    super::{
        object::Object,
        tools::{DeclaredTool, LOCAL_SHELL, ToolKind, no_such_tool},
    },
    chat_body::{ChosenFunction, ToolChoice},
};
use crate::{scan::Kind, translate::TranslationError};

/// Reads `tool_choice`. A list of allowed tools leaves only these in `tools`, which says the same to any server.
/// Without tools there is no choice to send: servers refuse it.
pub(super) fn tool_choice(
    request: &Object<'_>,
    tools: &mut Vec<DeclaredTool<'_>>,
) -> Result<Option<ToolChoice>, TranslationError> {
    let Some(kind) = request.kind_of("tool_choice") else { return Ok(None) };
    let choice = if kind == Kind::String {
        ToolChoice::Mode(mode(request, "tool_choice")?)
    } else if let Some(choice) = request.object("tool_choice")? {
        chosen(&choice, tools)?
    } else {
        return Ok(None);
    };
    if tools.is_empty() {
        return match choice {
            ToolChoice::Mode("auto" | "none") => Ok(None),
            _ => Err(request.invalid("tool_choice", "demands a tool, but there are no `tools`")),
        };
    }
    Ok(Some(choice))
}

fn mode(holder: &Object<'_>, name: &str) -> Result<&'static str, TranslationError> {
    match &*holder.required_text(name)? {
        "none" => Ok("none"),
        "auto" => Ok("auto"),
        "required" => Ok("required"),
        _ => Err(holder.invalid(name, "must be `none`, `auto`, `required` or an object")),
    }
}

fn chosen(choice: &Object<'_>, tools: &mut Vec<DeclaredTool<'_>>) -> Result<ToolChoice, TranslationError> {
    if choice.required_text("type")? == "allowed_tools" {
        let mode = mode(choice, "mode")?;
        let mut allowed = HashSet::new();
        choice.each_object("tools", |tool| {
            if !allowed.insert(named_tool(&tool, tools)?) {
                return Err(tool.invalid("type", "belongs to a tool that the list names twice"));
            }
            Ok(())
        })?;
        tools.retain(|tool| allowed.contains(&*tool.chat_name()));
        return Ok(ToolChoice::Mode(mode));
    }
    let name = named_tool(choice, tools)?;
    Ok(ToolChoice::Function { kind: "function", function: ChosenFunction { name } })
}

/// The upstream's name of the tool that a choice names.
fn named_tool(choice: &Object<'_>, tools: &[DeclaredTool<'_>]) -> Result<String, TranslationError> {
    let kind = choice.required_text("type")?;
    let (kind, name) = match &*kind {
        "function" => (ToolKind::Function, choice.required_text("name")?),
        "custom" => (ToolKind::Custom, choice.required_text("name")?),
        "local_shell" => (ToolKind::LocalShell, LOCAL_SHELL.into()),
        _ => return Err(choice.unsupported("type", no_such_tool(&kind))),
    };
    let namespace = choice.text("namespace")?;
    let named = tools
        .iter()
        .find(|tool| tool.kind == kind && tool.name == name && (namespace.is_none() || tool.namespace == namespace));
    let member = if kind == ToolKind::LocalShell { "type" } else { "name" };
    named.map(|tool| tool.chat_name().into_owned()).ok_or_else(|| choice.invalid(member, "names none of the `tools`"))
}
