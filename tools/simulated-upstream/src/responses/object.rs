//! The response object, in every state it can have.

use super::item::{Item, items};
use crate::behaviour::{Behaviour, UsageMode};
use crate::json::CREATED;
use crate::plan::{Ending, Plan};
use crate::usage::TokenCounts;

/// What a response is made of; the same for whole and streamed answers.
pub(super) struct Outline {
    pub(super) id: String,
    /// As JSON.
    pub(super) model: String,
    pub(super) echoed: String,
    pub(super) plan: Plan,
    pub(super) items: Vec<Item>,
    pub(super) input_tokens: u64,
}

/// How a response ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Completed,
    Incomplete,
    Failed,
}

impl End {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
        }
    }
}

impl Outline {
    pub(super) fn new(number: u64, model: String, echoed: String, plan: Plan, input_tokens: u64) -> Self {
        let items = items(&plan, number);
        Self { id: format!("resp_sim_{number}"), model, echoed, plan, items, input_tokens }
    }

    /// By itself, when the behaviour does not say otherwise.
    pub(super) fn usual_end(&self) -> End {
        if self.plan.ending == Ending::Length { End::Incomplete } else { End::Completed }
    }

    /// Before its end: `queued`, `in_progress`, or `cancelled`, which is one without a result.
    pub(super) fn without_output(&self, status: &str) -> String {
        self.object(status, "null", "null", "", "null")
    }

    /// `output_tokens` are those that were sent.
    pub(super) fn ended(&self, end: End, behaviour: &Behaviour, output_tokens: u64) -> String {
        let usage = self.usage(behaviour, output_tokens);
        match end {
            End::Completed => self.object("completed", "null", "null", &self.output("completed"), &usage),
            End::Incomplete => {
                let details = r#"{"reason":"max_output_tokens"}"#;
                self.object("incomplete", "null", details, &self.output("incomplete"), &usage)
            }
            End::Failed => {
                let error = r#"{"code":"server_error","message":"The engine has failed."}"#;
                self.object("failed", error, "null", "", &usage)
            }
        }
    }

    fn output(&self, status: &str) -> String {
        self.items.iter().map(|item| item.finished(status)).collect::<Vec<_>>().join(",")
    }

    fn object(&self, status: &str, error: &str, incomplete_details: &str, output: &str, usage: &str) -> String {
        let Self { id, model, echoed, .. } = self;
        format!(
            r#"{{"id":"{id}","object":"response","created_at":{CREATED},"status":"{status}","error":{error},"incomplete_details":{incomplete_details},{echoed},"model":{model},"output":[{output}],"usage":{usage}}}"#
        )
    }

    fn usage(&self, behaviour: &Behaviour, output_tokens: u64) -> String {
        if behaviour.usage == UsageMode::Missing {
            return "null".to_owned();
        }
        let reasoning = self.plan.reasoning.min(output_tokens);
        let counts = TokenCounts::new(self.input_tokens, output_tokens, reasoning, behaviour);
        let (TokenCounts { input, cached, output, reasoning }, total) = counts.reported(behaviour.usage);
        format!(
            r#"{{"input_tokens":{input},"input_tokens_details":{{"cached_tokens":{cached}}},"output_tokens":{output},"output_tokens_details":{{"reasoning_tokens":{reasoning}}},"total_tokens":{total}}}"#
        )
    }
}
