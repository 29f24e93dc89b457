//! `GET /v1/models` and `GET /v1/models/{id}`: what this key may call.

use std::borrow::Cow;

use actix_web::HttpResponse;
use maas_llm::models::{ModelEntry as WireModel, ModelList};

use super::{Incoming, credential, rights};
use crate::{refusal::Refusal, state::ModelEntry, worker::Worker};

pub async fn list(worker: &Worker, incoming: &Incoming<'_>) -> Result<HttpResponse, Refusal> {
    let caller = credential::check(&worker.shared, incoming.head).await?;
    let models = rights::known_models(&worker.shared)?;
    let callable = models.iter().filter(|model| rights::may_call(&caller, model));
    let list = ModelList::new(callable.map(|model| to_wire(model)).collect());
    Ok(HttpResponse::Ok().insert_header(("x-request-id", incoming.request_id.as_str())).json(list))
}

pub async fn get(worker: &Worker, incoming: &Incoming<'_>, id: &str) -> Result<HttpResponse, Refusal> {
    let caller = credential::check(&worker.shared, incoming.head).await?;
    let id = percent_decoded(id);
    let (model, _) = rights::check(&worker.shared, &caller, &id)?;
    Ok(HttpResponse::Ok().insert_header(("x-request-id", incoming.request_id.as_str())).json(to_wire(&model)))
}

fn to_wire(model: &ModelEntry) -> WireModel {
    let context_length = (model.context_length > 0).then(|| u64::from(model.context_length));
    WireModel::new(model.name.to_string(), model.created_at.unix_seconds(), model.owned_by.clone(), context_length)
}

/// Clients send a slash inside an id as it is or as `%2F`. What does not decode is looked up as it is, and not found.
fn percent_decoded(id: &str) -> Cow<'_, str> {
    if !id.contains('%') {
        return Cow::Borrowed(id);
    }
    let mut decoded = Vec::with_capacity(id.len());
    let mut bytes = id.bytes();
    while let Some(byte) = bytes.next() {
        let hex = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        let value = if byte == b'%' { hex(bytes.next()).zip(hex(bytes.next())) } else { None };
        match value {
            // Two hexadecimal digits are at most 255.
            Some((high, low)) => decoded.push(u8::try_from(high * 16 + low).unwrap_or(b'?')),
            None => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).map_or(Cow::Borrowed(id), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_slashes_are_slashes() {
        assert_eq!(percent_decoded("sim%2Fllama-3.1-8b"), "sim/llama-3.1-8b");
        assert_eq!(percent_decoded("plain"), "plain");
        assert_eq!(percent_decoded("%ff"), "%ff");
    }
}
