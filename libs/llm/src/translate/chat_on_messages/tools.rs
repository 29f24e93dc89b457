//! Tools and which of them must be called.

use super::{form, messages_body};
use crate::translate::TranslationError;

pub(super) fn messages_tools<'f>(
    tools: &'f [form::Tool<'_>],
) -> Result<Vec<messages_body::Tool<'f>>, TranslationError> {
    let numbered = tools.iter().enumerate();
    numbered.map(|(index, tool)| tool_of(tool).map_err(|error| error.inside(format_args!("tools.{index}")))).collect()
}

fn tool_of<'f>(tool: &'f form::Tool<'_>) -> Result<messages_body::Tool<'f>, TranslationError> {
    if &*tool.kind != "function" {
        return Err(TranslationError::unsupported("type", "only functions can be passed to this model's upstream"));
    }
    let function = tool.function.as_ref().ok_or_else(|| TranslationError::breaks_rule("function", "is missing"))?;
    let nothing = messages_body::InputSchema::Nothing { kind: "object" };
    Ok(messages_body::Tool {
        name: &function.name,
        description: function.description.as_deref(),
        input_schema: function.parameters.map_or(nothing, messages_body::InputSchema::Given),
        strict: function.strict.filter(|strict| *strict),
    })
}

/// Without tools there is nothing to choose, and Messages refuses a choice.
pub(super) fn messages_tool_choice<'f>(
    form: &'f form::ChatForm<'_>,
) -> Result<Option<messages_body::ToolChoice<'f>>, TranslationError> {
    if form.tools.as_ref().is_none_or(Vec::is_empty) {
        return Ok(None);
    }
    let one_at_a_time = form.parallel_tool_calls.is_some_and(|parallel| !parallel);
    let (kind, name) = match &form.tool_choice {
        None if !one_at_a_time => return Ok(None),
        None => ("auto", None),
        Some(choice) => kind_and_name(choice)?,
    };
    let disable_parallel_tool_use = (one_at_a_time && kind != "none").then_some(true);
    Ok(Some(messages_body::ToolChoice { kind, name, disable_parallel_tool_use }))
}

fn kind_and_name<'f>(choice: &'f form::ToolChoice<'_>) -> Result<(&'static str, Option<&'f str>), TranslationError> {
    match choice {
        form::ToolChoice::Mode(mode) => match &**mode {
            "auto" => Ok(("auto", None)),
            "required" => Ok(("any", None)),
            "none" => Ok(("none", None)),
            _ => Err(TranslationError::breaks_rule("tool_choice", "must be `none`, `auto`, `required` or a function")),
        },
        form::ToolChoice::Named { kind, function: Some(function) } if &**kind == "function" => {
            Ok(("tool", Some(&function.name)))
        }
        form::ToolChoice::Named { .. } => {
            Err(TranslationError::unsupported("tool_choice.type", "only a function can be named for this upstream"))
        }
    }
}
