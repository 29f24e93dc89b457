//! Anthropic's Messages, and the counting of their tokens.

mod answer;
mod request;
mod script;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::behaviour::{Behaviour, UsageMode};
use crate::call::{self, Accepted, Asked, Call};
use crate::errors::Refusal;
use crate::json::{json_answer, json_string};
use crate::plan::{Ending, Plan};
use crate::usage::HUGE_TOKENS;
use request::MessagesRequest;
use script::MessagesScript;

/// Stands for the cryptographic seal of a thinking block, which clients have to give back as it was.
const SIGNATURE: &str = "c2ltdWxhdGVkIHRoaW5raW5n";

pub(crate) async fn serve(call: Call) -> HttpResponse {
    call::serve(&call, answer).await
}

/// Counts as accepted, but makes no input tokens of its own: nothing is worked on.
pub(crate) async fn count_tokens(call: Call) -> HttpResponse {
    call::serve(&call, |_, accepted: Accepted<MessagesRequest<'_>>| {
        let body = format!(r#"{{"input_tokens":{}}}"#, accepted.asked.input_tokens());
        accepted.complete(0, json_answer(StatusCode::OK, body))
    })
    .await
}

/// What a whole and a streamed answer have in common.
struct Outline {
    id: u64,
    model: String,
    plan: Plan,
    input_tokens: u64,
}

impl Outline {
    fn tool_id(&self, call: usize) -> String {
        format!("toolu_sim_{}_{call}", self.id)
    }

    /// `"stop_reason":…,"stop_sequence":…`
    fn stop(&self) -> String {
        let (reason, sequence) = match &self.plan.ending {
            Ending::Finished => ("end_turn", "null".to_owned()),
            Ending::Length => ("max_tokens", "null".to_owned()),
            Ending::Called => ("tool_use", "null".to_owned()),
            Ending::StopWord(word) => ("stop_sequence", json_string(word)),
        };
        format!(r#""stop_reason":"{reason}","stop_sequence":{sequence}"#)
    }

    /// `,"usage":{…}` with the input, of which cached tokens are no part here; empty if none is reported.
    fn usage(&self, behaviour: &Behaviour, output_tokens: u64) -> String {
        if behaviour.usage == UsageMode::Missing {
            return String::new();
        }
        let read = behaviour.cached_tokens.min(self.input_tokens);
        let written = behaviour.cache_creation_tokens.min(self.input_tokens - read);
        let input = if behaviour.usage == UsageMode::Huge { HUGE_TOKENS } else { self.input_tokens - read - written };
        format!(
            r#","usage":{{"input_tokens":{input},"cache_creation_input_tokens":{written},"cache_read_input_tokens":{read},"output_tokens":{output_tokens},"service_tier":"standard"}}"#
        )
    }
}

fn answer<'a>(call: &'a Call, accepted: Accepted<MessagesRequest<'a>>) -> HttpResponse {
    let (asked, behaviour) = (&accepted.asked, &accepted.behaviour);
    if asked.max_tokens.is_none() {
        return accepted.refuse(call, &Refusal::bad_request("max_tokens: Field required"));
    }
    let plan = match asked.plan(behaviour) {
        Ok(plan) => plan,
        Err(error) => return accepted.refuse(call, &Refusal::bad_request(error.to_string())),
    };
    let outline = Outline {
        id: call.state.next_id(),
        model: json_string(&asked.model),
        plan,
        input_tokens: asked.input_tokens(),
    };
    if asked.streams() {
        let script = MessagesScript::new(outline, behaviour.clone());
        return accepted.stream(script);
    }
    let body = answer::message(&outline, behaviour);
    accepted.complete(outline.plan.output_tokens(), json_answer(StatusCode::OK, body))
}
