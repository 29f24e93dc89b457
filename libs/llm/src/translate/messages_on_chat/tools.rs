//! Tools and which of them must be called.

use super::{chat_body, form};
use crate::translate::TranslationError;

pub(super) fn chat_tools<'f>(tools: &'f [form::Tool<'_>]) -> Result<Vec<chat_body::Tool<'f>>, TranslationError> {
    let named = tools.iter().enumerate();
    named.map(|(index, tool)| chat_tool(tool).map_err(|error| error.inside(format_args!("tools.{index}")))).collect()
}

fn chat_tool<'f>(tool: &'f form::Tool<'_>) -> Result<chat_body::Tool<'f>, TranslationError> {
    if tool.kind.as_deref().is_some_and(|kind| kind != "custom") {
        let reason = "only tools with a schema of their own can be passed to this model's upstream";
        return Err(TranslationError::unsupported("type", reason));
    }
    let name = tool.name.as_deref().ok_or_else(|| TranslationError::breaks_rule("name", "is missing"))?;
    let schema = tool.input_schema.ok_or_else(|| TranslationError::breaks_rule("input_schema", "is missing"))?;
    Ok(chat_body::Tool {
        kind: "function",
        function: chat_body::Function {
            name,
            description: tool.description.as_deref(),
            parameters: schema,
            strict: tool.strict,
        },
    })
}

pub(super) fn chat_tool_choice<'f>(
    choice: &'f form::ToolChoice<'_>,
) -> Result<chat_body::ToolChoice<'f>, TranslationError> {
    match (&*choice.kind, choice.name.as_deref()) {
        ("auto", _) => Ok(chat_body::ToolChoice::Mode("auto")),
        ("any", _) => Ok(chat_body::ToolChoice::Mode("required")),
        ("none", _) => Ok(chat_body::ToolChoice::Mode("none")),
        ("tool", Some(name)) => {
            Ok(chat_body::ToolChoice::Function { kind: "function", function: chat_body::NamedFunction { name } })
        }
        ("tool", None) => Err(TranslationError::breaks_rule("tool_choice.name", "is missing")),
        _ => Err(TranslationError::breaks_rule("tool_choice.type", "must be `auto`, `any`, `tool` or `none`")),
    }
}
