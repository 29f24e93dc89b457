//! The input of a tool call, which is an object in Messages and a text in chat completions.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::scan::{DEFAULT_MAX_DEPTH, Kind, validate};

/// What a model has written as arguments, as the object that Messages wants.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(in crate::translate) enum ToolInput<'a> {
    /// Kept to the byte: numbers beyond 64 bits and the order of members survive.
    Object(&'a RawValue),
    /// Models write broken JSON now and then. Nothing of it is lost, and a tool that checks its input refuses it, so that
    /// the model gets to know.
    Broken {
        arguments: &'a str,
    },
    Empty {},
}

impl<'a> ToolInput<'a> {
    /// Empty arguments are what servers send for a tool without parameters.
    pub fn from_arguments(arguments: &'a str) -> Self {
        if arguments.trim().is_empty() {
            return Self::Empty {};
        }
        match (validate(arguments.as_bytes(), DEFAULT_MAX_DEPTH), serde_json::from_str(arguments)) {
            (Ok(Kind::Object), Ok(object)) => Self::Object(object),
            _ => Self::Broken { arguments },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_become_an_object_and_nothing_is_lost() {
        let json = |arguments| serde_json::to_string(&ToolInput::from_arguments(arguments)).unwrap();
        assert_eq!(json(r#"{"b":1e400,"a":2}"#), r#"{"b":1e400,"a":2}"#);
        assert_eq!((json(""), json(" \n")), ("{}".to_owned(), "{}".to_owned()));
        assert_eq!(json(r#"{"a":"#), r#"{"arguments":"{\"a\":"}"#);
        assert_eq!(json("[1]"), r#"{"arguments":"[1]"}"#);
    }
}
