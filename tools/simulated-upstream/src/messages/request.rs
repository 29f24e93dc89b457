//! What an answer needs to know of a request to Anthropic's Messages.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::behaviour::Behaviour;
use crate::call::{Asked, Call};
use crate::plan::{Plan, Wish};
use crate::words::Words;

/// Words of thinking where the request asks for it and the behaviour says nothing of it.
const USUAL_THINKING_TOKENS: u64 = 3;

#[derive(Debug, Deserialize)]
pub(super) struct MessagesRequest<'a> {
    #[serde(default, borrow)]
    pub(super) model: Cow<'a, str>,
    #[serde(default)]
    pub(super) max_tokens: Option<u64>,
    messages: Words,
    #[serde(default)]
    system: Words,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stop_sequences: Option<Vec<String>>,
    #[serde(default, borrow)]
    tools: Option<&'a RawValue>,
    #[serde(default, borrow)]
    tool_choice: Option<&'a RawValue>,
    #[serde(default, borrow)]
    thinking: Option<Thinking<'a>>,
    #[serde(default, borrow)]
    metadata: Option<Metadata<'a>>,
}

#[derive(Debug, Deserialize)]
struct Thinking<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
struct Metadata<'a> {
    #[serde(default, borrow)]
    user_id: Option<Cow<'a, str>>,
}

impl<'a> Asked<'a> for MessagesRequest<'a> {
    fn read(call: &'a Call) -> Result<Self, String> {
        serde_json::from_slice(&call.body).map_err(|error| error.to_string())
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn user(&self) -> Option<&str> {
        self.metadata.as_ref()?.user_id.as_deref()
    }

    fn input_tokens(&self) -> u64 {
        self.system.tokens() + self.messages.tokens()
    }

    fn streams(&self) -> bool {
        self.stream == Some(true)
    }
}

impl MessagesRequest<'_> {
    pub(super) fn plan(&self, behaviour: &Behaviour) -> Result<Plan, serde_json::Error> {
        let wish = Wish {
            most_tokens: self.max_tokens,
            tools: self.tools,
            tool_choice: self.tool_choice,
            after_tool_result: self.messages.ends_with_tool_result,
            json: None,
            stop_words: self.stop_sequences.clone().unwrap_or_default(),
        };
        let thinks = self.thinking.as_ref().is_some_and(|thinking| matches!(&*thinking.kind, "enabled" | "adaptive"));
        if thinks && behaviour.reasoning_tokens == 0 {
            let behaviour = Behaviour { reasoning_tokens: USUAL_THINKING_TOKENS, ..behaviour.clone() };
            return Plan::new(wish, &behaviour);
        }
        Plan::new(wish, behaviour)
    }
}
