//! What an answer needs to know of a chat or completion request, found in one pass without a JSON tree.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::behaviour::Behaviour;
use crate::call::{Asked, Call, marked};
use crate::operation::Operation;
use crate::plan::{Plan, Wish};
use crate::structured::demanded_json;
use crate::words::Words;

#[derive(Debug, Deserialize)]
pub(crate) struct ChatRequest<'a> {
    /// Missing on Azure, which has it in the path.
    #[serde(default, borrow)]
    pub(super) model: Cow<'a, str>,
    #[serde(default)]
    pub(super) stream: Option<bool>,
    #[serde(default)]
    pub(super) stream_options: Option<StreamOptions>,
    #[serde(default, alias = "prompt", alias = "input")]
    messages: Words,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    max_completion_tokens: Option<u64>,
    #[serde(default)]
    pub(super) n: Option<u64>,
    #[serde(default, borrow)]
    tools: Option<&'a RawValue>,
    #[serde(default, borrow)]
    tool_choice: Option<&'a RawValue>,
    #[serde(default, borrow)]
    response_format: Option<&'a RawValue>,
    #[serde(default, borrow)]
    user: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    safety_identifier: Option<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StreamOptions {
    pub(super) include_usage: Option<bool>,
    /// vLLM's running totals.
    pub(super) continuous_usage_stats: Option<bool>,
}

impl<'a> Asked<'a> for ChatRequest<'a> {
    fn read(call: &'a Call) -> Result<Self, String> {
        serde_json::from_slice(&call.body).map_err(|error| error.to_string())
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn user(&self) -> Option<&str> {
        marked([self.user.as_deref(), self.safety_identifier.as_deref()])
    }

    fn input_tokens(&self) -> u64 {
        self.messages.tokens()
    }

    fn streams(&self) -> bool {
        self.stream == Some(true)
    }
}

impl ChatRequest<'_> {
    pub(super) fn plan(&self, operation: Operation, behaviour: &Behaviour) -> Result<Plan, serde_json::Error> {
        let most_tokens = self.max_completion_tokens.or(self.max_tokens);
        if operation == Operation::Completions {
            return Ok(Plan::of_words(behaviour.output_tokens, most_tokens));
        }
        let wish = Wish {
            most_tokens,
            tools: self.tools,
            tool_choice: self.tool_choice,
            after_tool_result: self.messages.ends_with_tool_result,
            json: demanded_json(self.response_format)?,
            stop_words: Vec::new(),
        };
        Plan::new(wish, behaviour)
    }
}
