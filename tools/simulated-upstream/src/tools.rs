//! Which of a request's tools are called, and with what. Understands the tools of all three APIs.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::sample::sample;

/// A mistyped number must not take the machine's memory.
const MOST_CALLS: u64 = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToolCall {
    pub(crate) name: String,
    /// JSON text that fits the tool's schema.
    pub(crate) arguments: String,
}

/// Chat has the function inside, Responses beside the type, and Messages calls the parameters `input_schema`.
#[derive(Debug, Deserialize)]
struct Tool {
    name: Option<String>,
    #[serde(alias = "input_schema")]
    parameters: Option<Value>,
    function: Option<Function>,
}

#[derive(Debug, Deserialize)]
struct Function {
    name: String,
    parameters: Option<Value>,
}

#[derive(Debug, PartialEq, Eq)]
enum Choice {
    /// The model decides, which here means the behaviour.
    Free,
    Never,
    Any,
    Named(String),
}

/// The calls that the answer makes: the one that the request demands, or the first `wanted` tools in turn.
pub(crate) fn calls(
    tools: Option<&RawValue>,
    choice: Option<&RawValue>,
    wanted: u64,
) -> Result<Vec<ToolCall>, serde_json::Error> {
    let choice = choice.map(read_choice).transpose()?.unwrap_or(Choice::Free);
    let count = if matches!(choice, Choice::Any | Choice::Named(_)) { wanted.max(1) } else { wanted };
    let (Some(tools), false) = (tools, count == 0 || choice == Choice::Never) else {
        return Ok(Vec::new());
    };
    let tools: Vec<Tool> = serde_json::from_str(tools.get())?;
    let callable = tools.into_iter().filter_map(Tool::into_call);
    let chosen: Vec<ToolCall> = match choice {
        Choice::Named(name) => callable.filter(|call| call.name == name).collect(),
        _ => callable.collect(),
    };
    let count = usize::try_from(count.min(MOST_CALLS)).unwrap_or_default();
    Ok(chosen.iter().cycle().take(count).cloned().collect())
}

impl Tool {
    /// `None` for tools that the provider runs itself.
    fn into_call(self) -> Option<ToolCall> {
        let (name, parameters) = match self.function {
            Some(function) => (function.name, function.parameters),
            None => (self.name?, self.parameters),
        };
        let arguments = parameters.as_ref().map_or_else(|| "{}".to_owned(), |schema| sample(schema).to_string());
        Some(ToolCall { name, arguments })
    }
}

fn read_choice(choice: &RawValue) -> Result<Choice, serde_json::Error> {
    let choice: Value = serde_json::from_str(choice.get())?;
    let word = choice.as_str().or_else(|| choice["type"].as_str()).unwrap_or_default();
    let name = choice["function"]["name"].as_str().or_else(|| choice["name"].as_str());
    Ok(match (word, name) {
        (_, Some(name)) => Choice::Named(name.to_owned()),
        ("none", None) => Choice::Never,
        ("required" | "any", None) => Choice::Any,
        _ => Choice::Free,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const CHAT: &str = r#"[{"type":"function","function":{"name":"a","parameters":{"type":"object"}}},
        {"type":"function","function":{"name":"b"}}]"#;

    fn called(tools: &str, choice: Option<&str>, wanted: u64) -> Vec<String> {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let choice = choice.map(raw);
        let calls = calls(Some(&raw(tools)), choice.as_deref(), wanted).unwrap();
        calls.into_iter().map(|call| call.name).collect()
    }

    #[test]
    fn tools_are_called_in_turn_when_wanted() {
        assert_eq!(called(CHAT, None, 3), ["a", "b", "a"]);
        assert!(called(CHAT, None, 0).is_empty());
        assert!(called(CHAT, Some(r#""none""#), 1).is_empty());
    }

    #[test]
    fn a_demanded_call_is_made_in_every_api() {
        assert_eq!(called(CHAT, Some(r#""required""#), 0), ["a"]);
        assert_eq!(called(CHAT, Some(r#"{"type":"function","function":{"name":"b"}}"#), 0), ["b"]);
        let responses = r#"[{"type":"web_search"},{"type":"function","name":"c","parameters":{}}]"#;
        assert_eq!(called(responses, Some(r#"{"type":"function","name":"c"}"#), 0), ["c"]);
        let messages = r#"[{"name":"d","input_schema":{"type":"object"}}]"#;
        assert_eq!(called(messages, Some(r#"{"type":"any"}"#), 0), ["d"]);
        assert_eq!(called(messages, Some(r#"{"type":"tool","name":"d"}"#), 0), ["d"]);
    }
}
