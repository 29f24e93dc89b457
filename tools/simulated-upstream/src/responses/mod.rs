//! OpenAI's Responses.

mod item;
mod kept;
mod object;
mod reading;
mod request;
mod script;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::behaviour::{Behaviour, ResponseEnd};
use crate::call::{self, Accepted, Asked, Call};
use crate::errors::{OPENAI_KIND, Refusal};
use crate::json::{json_answer, json_string};
use kept::{KeptResponse, Pending};
use object::{End, Outline};
use request::ResponsesRequest;
use script::ResponseScript;

pub(crate) use kept::KeptResponses;
pub(crate) use reading::{cancel, delete, input_items, read};

pub(crate) async fn create(call: Call) -> HttpResponse {
    call::serve(&call, answer).await
}

fn answer<'a>(call: &'a Call, accepted: Accepted<ResponsesRequest<'a>>) -> HttpResponse {
    let (asked, behaviour) = (&accepted.asked, &accepted.behaviour);
    if let Some(previous) = asked.previous_response().filter(|id| !call.state.responses.knows(id)) {
        let refusal = unknown_previous(previous);
        return accepted.refuse(call, &refusal);
    }
    let plan = match asked.plan(behaviour) {
        Ok(plan) => plan,
        Err(error) => return accepted.refuse(call, &Refusal::bad_request(error.to_string())),
    };
    let (number, model) = (call.state.next_id(), json_string(&call.answered_model(asked.model())));
    let outline = Outline::new(number, model, asked.echoed(), plan, asked.input_tokens());
    if asked.streams() {
        let kept = asked.is_kept().then(|| call.state.responses.clone());
        keep(call, asked, &outline, outline.without_output("in_progress"), None);
        let script = ResponseScript::new(outline, behaviour.clone(), kept);
        return accepted.stream(script);
    }
    let output_tokens = outline.plan.output_tokens();
    let ended = outline.ended(end(&outline, behaviour), behaviour, output_tokens);
    if asked.in_background() {
        let queued = outline.without_output("queued");
        let pending = Pending { completed: ended, cancelled: outline.without_output("cancelled") };
        keep(call, asked, &outline, queued.clone(), Some(pending));
        return accepted.complete(output_tokens, json_answer(StatusCode::OK, queued));
    }
    keep(call, asked, &outline, ended.clone(), None);
    accepted.complete(output_tokens, json_answer(StatusCode::OK, ended))
}

fn end(outline: &Outline, behaviour: &Behaviour) -> End {
    match behaviour.response_end {
        Some(ResponseEnd::Failed) => End::Failed,
        Some(ResponseEnd::Incomplete) => End::Incomplete,
        None => outline.usual_end(),
    }
}

fn keep(call: &Call, asked: &ResponsesRequest<'_>, outline: &Outline, object: String, pending: Option<Pending>) {
    if asked.is_kept() {
        let (id, input) = (outline.id.clone(), asked.input().to_owned());
        call.state.responses.keep(KeptResponse { id, object, input, pending });
    }
}

fn unknown_previous(id: &str) -> Refusal {
    Refusal {
        param: Some("previous_response_id"),
        code: Some("previous_response_not_found"),
        ..Refusal::new(StatusCode::NOT_FOUND, OPENAI_KIND, format!("Previous response with id '{id}' not found."))
    }
}
