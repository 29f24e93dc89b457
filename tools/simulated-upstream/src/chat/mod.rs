//! Chat completions, and completions, which are the same without roles.

mod answer;
mod delta;
mod request;
mod script;

use actix_web::HttpResponse;

use crate::call::{self, Accepted, Asked, Call};
use crate::dialect::Dialect;
use crate::errors::Refusal;
use crate::json::{CREATED, json_string};
use crate::operation::Operation;
use crate::plan::{Ending, Plan};
use crate::usage::TokenCounts;
use request::ChatRequest;
use script::ChatScript;

/// As OpenAI.
const MOST_CHOICES: u64 = 128;

pub(crate) async fn serve(call: Call) -> HttpResponse {
    call::serve(&call, answer).await
}

/// What a whole and a streamed answer have in common.
struct Outline {
    id: u64,
    operation: Operation,
    model: String,
    plan: Plan,
    choices: u64,
    input_tokens: u64,
    azure: bool,
}

impl Outline {
    /// `{"id":…,"object":…,"created":…,"model":…,` which begins every result and every chunk.
    fn head(&self, streamed: bool) -> String {
        let (prefix, object) = match (self.operation, streamed) {
            (Operation::Completions, _) => ("cmpl", "text_completion"),
            (_, false) => ("chatcmpl", "chat.completion"),
            (_, true) => ("chatcmpl", "chat.completion.chunk"),
        };
        let (id, model) = (self.id, json_string(&self.model));
        format!(r#"{{"id":"{prefix}-sim-{id}","object":"{object}","created":{CREATED},"model":{model},"#)
    }

    fn finish_reason(&self) -> &'static str {
        match self.plan.ending {
            Ending::Finished | Ending::StopWord(_) => "stop",
            Ending::Length => "length",
            Ending::Called => "tool_calls",
        }
    }

    /// The id of a choice's tool call.
    fn call_id(&self, choice: u64, call: usize) -> String {
        format!("call_sim_{}_{choice}_{call}", self.id)
    }
}

fn answer<'a>(call: &'a Call, accepted: Accepted<ChatRequest<'a>>) -> HttpResponse {
    let (asked, behaviour) = (&accepted.asked, &accepted.behaviour);
    let choices = asked.n.unwrap_or(1);
    if !(1..=MOST_CHOICES).contains(&choices) {
        let refusal = Refusal { param: Some("n"), ..Refusal::bad_request("`n` must be between 1 and 128.") };
        return accepted.refuse(call, &refusal);
    }
    let plan = match asked.plan(call.operation, behaviour) {
        Ok(plan) => plan,
        Err(error) => return accepted.refuse(call, &Refusal::bad_request(error.to_string())),
    };
    let outline = Outline {
        id: call.state.next_id(),
        operation: call.operation,
        model: call.answered_model(&asked.model).into_owned(),
        plan,
        choices,
        input_tokens: asked.input_tokens(),
        azure: call.dialect == Dialect::Azure,
    };
    if asked.streams() {
        let script = ChatScript::new(outline, asked.stream_options.as_ref(), behaviour.clone());
        return accepted.stream(script);
    }
    let output_tokens = outline.plan.output_tokens() * choices;
    let counts = TokenCounts::new(outline.input_tokens, output_tokens, outline.plan.reasoning * choices, behaviour);
    let body = answer::result(&outline, behaviour, counts);
    accepted.complete(output_tokens, body)
}
