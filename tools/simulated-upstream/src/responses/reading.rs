//! Operations on responses that were created before.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use crate::call::Call;
use crate::errors::{OPENAI_KIND, Refusal};
use crate::json::{json_answer, json_string};

const USUAL_ITEMS: usize = 20;
const MOST_ITEMS: usize = 100;

pub(crate) async fn read(call: Call) -> HttpResponse {
    answer(&call, |id| call.state.responses.read(id).ok_or_else(|| unknown(id)))
}

pub(crate) async fn delete(call: Call) -> HttpResponse {
    answer(&call, |id| {
        let deleted = || format!(r#"{{"id":{},"object":"response","deleted":true}}"#, json_string(id));
        call.state.responses.forget(id).then(deleted).ok_or_else(|| unknown(id))
    })
}

pub(crate) async fn cancel(call: Call) -> HttpResponse {
    answer(&call, |id| match call.state.responses.cancel(id) {
        None => Err(unknown(id)),
        Some(None) => Err(invalid(StatusCode::BAD_REQUEST, "Cannot cancel a response that is not in progress.")),
        Some(Some(cancelled)) => Ok(cancelled),
    })
}

pub(crate) async fn input_items(call: Call) -> HttpResponse {
    answer(&call, |id| {
        let input = call.state.responses.input(id).ok_or_else(|| unknown(id))?;
        // It was read before, as part of the request.
        let input = serde_json::from_str(&input).unwrap_or_default();
        Ok(page(items(id, input), call.request.query_string()))
    })
}

fn answer(call: &Call, read: impl FnOnce(&str) -> Result<String, Refusal>) -> HttpResponse {
    let behaviour = match call.admit() {
        Ok(behaviour) => behaviour,
        Err(refusal) => return refusal,
    };
    match read(&call.path_value()) {
        Ok(body) => {
            call.state.counters.completed(call.operation);
            json_answer(StatusCode::OK, body)
        }
        Err(refusal) => call.refuse(&behaviour, &refusal),
    }
}

/// A text is a list of one message; every item gets an id.
fn items(response: &str, input: Value) -> Vec<Value> {
    let items = match input {
        Value::Array(items) => items,
        text => vec![json!({"role": "user", "content": [{"type": "input_text", "text": text}]})],
    };
    let numbered = items.into_iter().enumerate();
    let with_id = numbered.map(|(index, mut item)| {
        if let Some(fields) = item.as_object_mut() {
            fields.entry("id").or_insert_with(|| json!(format!("msg_in_{response}_{index}")));
            fields.entry("type").or_insert_with(|| json!("message"));
        }
        item
    });
    with_id.collect()
}

/// The newest come first unless `order=asc`.
fn page(mut items: Vec<Value>, query: &str) -> String {
    let query =
        web::Query::<BTreeMap<String, String>>::from_query(query).map(web::Query::into_inner).unwrap_or_default();
    if query.get("order").is_none_or(|order| order != "asc") {
        items.reverse();
    }
    if let Some(after) = query.get("after")
        && let Some(position) = items.iter().position(|item| item["id"] == **after)
    {
        items.drain(..=position);
    }
    let limit = query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(USUAL_ITEMS).clamp(1, MOST_ITEMS);
    let has_more = items.len() > limit;
    items.truncate(limit);
    let id = |item: Option<&Value>| item.map(|item| item["id"].clone());
    let (first, last) = (id(items.first()), id(items.last()));
    json!({"object": "list", "data": items, "first_id": first, "last_id": last, "has_more": has_more}).to_string()
}

fn unknown(id: &str) -> Refusal {
    invalid(StatusCode::NOT_FOUND, &format!("Response with id '{id}' not found."))
}

fn invalid(status: StatusCode, message: &str) -> Refusal {
    Refusal::new(status, OPENAI_KIND, message)
}
