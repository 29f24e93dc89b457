//! The client's tools, each of which the upstream knows as a function.
//!
//! | tool | as a function |
//! | --- | --- |
//! | `function` | itself |
//! | `custom` | with one string, `input`; a grammar for it is told in the description, since chat cannot enforce it |
//! | `local_shell` | with the members of its `exec` action |
//! | `namespace` | each of its tools, named `<namespace>__<tool>` |
//!
//! Tools that the server itself would run (code interpreter, MCP and the like) are refused: nothing here could run them.
//! Of two of them, see [`LEFT_OUT`], only the offer is dropped: some clients make it with every request, and a model
//! without it answers as well, without searching. Whoever requires one by `tool_choice` is refused.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use serde_json::value::RawValue;

use super::object::Object;
use crate::{scan::Kind, translate::TranslationError};

/// The function that stands for the `local_shell` tool, which has no name of its own.
pub(super) const LOCAL_SHELL: &str = "local_shell";

const INPUT_SCHEMA: &str = concat!(
    r#"{"type":"object","properties":{"input":{"type":"string","description":"The whole input of the tool, as plain text."}},"#,
    r#""required":["input"],"additionalProperties":false}"#,
);

const LOCAL_SHELL_SCHEMA: &str = concat!(
    r#"{"type":"object","properties":{"#,
    r#""command":{"type":"array","items":{"type":"string"},"description":"The program and its arguments."},"#,
    r#""env":{"type":"object","additionalProperties":{"type":"string"},"description":"Environment variables to set."},"#,
    r#""timeout_ms":{"type":"integer","description":"Milliseconds after which the command is stopped."},"#,
    r#""user":{"type":"string","description":"The user to run the command as."},"#,
    r#""working_directory":{"type":"string","description":"The directory to run the command in."}},"#,
    r#""required":["command"],"additionalProperties":false}"#,
);

/// Tools of the server's that a model may be offered and need not use.
const LEFT_OUT: [&str; 4] = ["web_search", "web_search_preview", "web_search_2025_08_26", "tool_search"];

/// More tools than any client has; what they are compared with stays small.
const MAX_TOOLS: usize = 1_024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ToolKind {
    Function,
    Custom,
    LocalShell,
}

/// A tool as the client has declared it.
pub(super) struct DeclaredTool<'a> {
    pub kind: ToolKind,
    /// The client's name, without the namespace.
    pub name: Cow<'a, str>,
    pub namespace: Option<Cow<'a, str>>,
    pub description: Option<Cow<'a, str>>,
    /// JSON schema.
    pub parameters: Option<&'a RawValue>,
    pub strict: Option<bool>,
}

impl DeclaredTool<'_> {
    /// The function's name at the upstream.
    pub fn chat_name(&self) -> Cow<'_, str> {
        chat_name(self.namespace.as_deref(), &self.name)
    }
}

pub(super) fn chat_name<'a>(namespace: Option<&str>, name: &'a str) -> Cow<'a, str> {
    match namespace {
        None => Cow::Borrowed(name),
        Some(namespace) => Cow::Owned(format!("{}__{name}", namespace.trim_end_matches("__"))),
    }
}

/// What a function of the upstream is to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ToolName {
    pub kind: ToolKind,
    pub name: String,
    pub namespace: Option<String>,
}

/// The tools that are not plain functions, by their names at the upstream.
#[derive(Debug, Clone, Default)]
pub(super) struct ToolNames(HashMap<String, ToolName>);

impl ToolNames {
    pub fn read(request: &Object<'_>) -> Result<Self, TranslationError> {
        let mut names = HashMap::new();
        for tool in declared_tools(request)? {
            if tool.kind != ToolKind::Function || tool.namespace.is_some() {
                let chat_name = tool.chat_name().into_owned();
                let namespace = tool.namespace.map(Cow::into_owned);
                names.insert(chat_name, ToolName { kind: tool.kind, name: tool.name.into_owned(), namespace });
            }
        }
        Ok(Self(names))
    }

    pub fn kind(&self, chat_name: &str) -> ToolKind {
        self.0.get(chat_name).map_or(ToolKind::Function, |tool| tool.kind)
    }

    /// What the model means when it calls `chat_name`; also names that nobody has declared.
    pub fn tool(&self, chat_name: &str) -> ToolName {
        let plain = || ToolName { kind: ToolKind::Function, name: chat_name.to_owned(), namespace: None };
        self.0.get(chat_name).cloned().unwrap_or_else(plain)
    }
}

/// All tools of the request. Their names at the upstream differ from each other.
///
/// Left out, as they only tune: `defer_loading`, `allowed_callers`, `async`, `output_schema`, the description of a
/// namespace.
pub(super) fn declared_tools<'a>(request: &Object<'a>) -> Result<Vec<DeclaredTool<'a>>, TranslationError> {
    let mut tools = Tools::default();
    // A choice that names a tool is an object; `required` must not come true by another tool than was meant.
    let is_free = match request.kind_of("tool_choice") {
        None | Some(Kind::Null) => true,
        Some(Kind::String) => request.text("tool_choice")?.is_none_or(|choice| matches!(&*choice, "auto" | "none")),
        Some(_) => false,
    };
    request.each_object("tools", |tool| match &*tool.required_text("type")? {
        "namespace" => tools.add_namespace(&tool),
        kind if is_free && LEFT_OUT.contains(&kind) => Ok(()),
        _ => tools.add(&tool, None),
    })?;
    Ok(tools.declared)
}

#[derive(Default)]
struct Tools<'a> {
    declared: Vec<DeclaredTool<'a>>,
    chat_names: HashSet<String>,
}

impl<'a> Tools<'a> {
    fn add_namespace(&mut self, namespace: &Object<'a>) -> Result<(), TranslationError> {
        let name = namespace.required_text("name")?;
        let listed = namespace.each_object("tools", |tool| self.add(&tool, Some(name.clone())))?;
        if listed { Ok(()) } else { Err(namespace.missing("tools")) }
    }

    fn add(&mut self, tool: &Object<'a>, namespace: Option<Cow<'a, str>>) -> Result<(), TranslationError> {
        let declared = read_tool(tool, namespace)?;
        if self.declared.len() == MAX_TOOLS {
            return Err(tool.invalid("type", "belongs to one tool more than can be given"));
        }
        if !self.chat_names.insert(declared.chat_name().into_owned()) {
            return Err(tool.invalid("name", "is the name of another tool, too"));
        }
        self.declared.push(declared);
        Ok(())
    }
}

fn read_tool<'a>(tool: &Object<'a>, namespace: Option<Cow<'a, str>>) -> Result<DeclaredTool<'a>, TranslationError> {
    let kind = tool.required_text("type")?;
    match &*kind {
        "function" => Ok(DeclaredTool {
            kind: ToolKind::Function,
            name: tool.required_text("name")?,
            namespace,
            description: tool.text("description")?,
            parameters: tool.raw_object("parameters")?,
            strict: tool.flag("strict")?,
        }),
        "custom" => Ok(DeclaredTool {
            kind: ToolKind::Custom,
            name: tool.required_text("name")?,
            namespace,
            description: custom_description(tool)?,
            parameters: fixed(INPUT_SCHEMA),
            strict: None,
        }),
        "local_shell" if namespace.is_none() => Ok(DeclaredTool {
            kind: ToolKind::LocalShell,
            name: Cow::Borrowed(LOCAL_SHELL),
            namespace: None,
            description: Some(Cow::Borrowed("Runs a command on the user's machine and returns its output.")),
            parameters: fixed(LOCAL_SHELL_SCHEMA),
            strict: None,
        }),
        _ => Err(tool.unsupported("type", no_such_tool(&kind))),
    }
}

/// The description of a custom tool, with the grammar that its input must match.
fn custom_description<'a>(tool: &Object<'a>) -> Result<Option<Cow<'a, str>>, TranslationError> {
    let description = tool.text("description")?;
    let Some(format) = tool.object("format")? else { return Ok(description) };
    match &*format.required_text("type")? {
        "text" => Ok(description),
        "grammar" => {
            let (syntax, definition) = (format.required_text("syntax")?, format.required_text("definition")?);
            let before = description.map_or_else(String::new, |text| format!("{text}\n\n"));
            Ok(Some(format!("{before}`input` must match this {syntax} grammar:\n{definition}").into()))
        }
        _ => Err(format.unsupported("type", "only `text` and `grammar` are known")),
    }
}

fn fixed(schema: &'static str) -> Option<&'static RawValue> {
    serde_json::from_str(schema).ok()
}

/// Why a tool of the server's is refused.
pub(super) fn no_such_tool(kind: &str) -> String {
    format!("this model's upstream has no tools of the type `{}`; leave the tool out", shown(kind))
}

/// A word of the client's for an error, without surprises in length.
pub(super) fn shown(word: &str) -> String {
    word.chars().filter(|character| !character.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_schemas_are_json() {
        assert!(fixed(INPUT_SCHEMA).is_some());
        assert!(fixed(LOCAL_SHELL_SCHEMA).is_some());
    }

    #[test]
    fn an_offer_to_search_is_dropped_unless_it_must_be_taken() {
        let declared = |choice: &str| {
            let body = format!(
                r#"{{"tools":[{{"type":"web_search"}},{{"type":"custom","name":"x"}}],"tool_choice":{choice}}}"#
            );
            declared_tools(&Object::parse(body.as_bytes()).unwrap()).map(|tools| tools.len())
        };
        assert_eq!(declared(r#""auto""#), Ok(1));
        assert_eq!(declared("null"), Ok(1));
        for choice in [r#""required""#, r#"{"type":"web_search"}"#] {
            assert_eq!(declared(choice).unwrap_err().param(), Some("tools.0.type"), "{choice}");
        }
    }

    #[test]
    fn names_with_a_namespace_are_found_again() {
        let body = br#"{"tools":[{"type":"namespace","name":"mcp__mail","tools":[{"type":"function","name":"send"}]},
            {"type":"function","name":"plain"},{"type":"custom","name":"patch"}]}"#;
        let names = ToolNames::read(&Object::parse(body).unwrap()).unwrap();
        let sent = names.tool("mcp__mail__send");
        assert_eq!((sent.name.as_str(), sent.namespace.as_deref()), ("send", Some("mcp__mail")));
        assert_eq!(names.tool("patch").kind, ToolKind::Custom);
        assert_eq!(names.tool("plain").kind, ToolKind::Function);
        assert_eq!(names.tool("never_declared").name, "never_declared");
    }
}
