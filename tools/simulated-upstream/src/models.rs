//! The list of models and single models, as OpenAI and as Anthropic show them.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::behaviour::Behaviour;
use crate::call::Call;
use crate::dialect::{Dialect, header};
use crate::errors::Refusal;
use crate::json::{CREATED, json_answer, json_or_null, json_string};

pub(crate) async fn list(mut call: Call) -> HttpResponse {
    call.dialect = dialect_of(&call);
    let behaviour = match call.admit() {
        Ok(behaviour) => behaviour,
        Err(refusal) => return refusal,
    };
    let created = created(&call, &behaviour);
    let objects: Vec<String> = call.state.models.iter().map(|id| object(id, call.dialect, created)).collect();
    let objects = objects.join(",");
    let end = |id: Option<&String>| json_or_null(id.map(|id| json_string(id)));
    let body = match call.dialect {
        Dialect::Anthropic => {
            let (first, last) = (end(call.state.models.first()), end(call.state.models.last()));
            format!(r#"{{"data":[{objects}],"first_id":{first},"last_id":{last},"has_more":false}}"#)
        }
        Dialect::OpenAi | Dialect::Azure => format!(r#"{{"object":"list","data":[{objects}]}}"#),
    };
    call.state.counters.completed(call.operation);
    json_answer(StatusCode::OK, body)
}

pub(crate) async fn read(mut call: Call) -> HttpResponse {
    call.dialect = dialect_of(&call);
    let behaviour = match call.admit() {
        Ok(behaviour) => behaviour,
        Err(refusal) => return refusal,
    };
    let id = call.path_value();
    if !call.state.serves(&id) {
        return call.refuse(&behaviour, &Refusal::not_found(format!("The model `{id}` does not exist.")));
    }
    call.state.counters.completed(call.operation);
    json_answer(StatusCode::OK, object(&id, call.dialect, created(&call, &behaviour)))
}

/// Anthropic has the same path. Its clients always name their version.
fn dialect_of(call: &Call) -> Dialect {
    if header(&call.request, "anthropic-version").is_some() { Dialect::Anthropic } else { call.dialect }
}

fn created(call: &Call, behaviour: &Behaviour) -> u64 {
    if behaviour.changing_created { CREATED + call.state.next_id() } else { CREATED }
}

fn object(id: &str, dialect: Dialect, created: u64) -> String {
    let id = json_string(id);
    match dialect {
        Dialect::Anthropic => {
            format!(r#"{{"type":"model","id":{id},"display_name":{id},"created_at":"2025-06-15T15:06:40Z"}}"#)
        }
        Dialect::OpenAi | Dialect::Azure => {
            format!(r#"{{"id":{id},"object":"model","created":{created},"owned_by":"simulated-upstream"}}"#)
        }
    }
}
