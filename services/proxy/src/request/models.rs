//! `GET /v1/models` and `GET /v1/models/{id}`: what this key may call.

use std::{borrow::Cow, sync::Arc};

use actix_web::{HttpResponse, HttpResponseBuilder};
use maas_llm::{
    error::ApiErrorCode,
    models::{ModelEntry as WireModel, ModelList},
};
use serde::Serialize;

use super::{Incoming, credential, rights};
use crate::{refusal::Refusal, state::ModelEntry, worker::Worker};

/// A model under the name by which the caller may call it.
type Named = (Box<str>, Arc<ModelEntry>);

pub async fn list(worker: &Worker, incoming: &Incoming<'_>, instance: Option<&str>) -> Result<HttpResponse, Refusal> {
    let caller = credential::check(&worker.shared, incoming.head, None).await?;
    let models = rights::known_models(&worker.shared)?;
    let mut listed: Vec<Named> = match instance {
        None => models.iter().map(|model| (model.name.clone(), model.clone())).collect(),
        Some(instance) => {
            let at = models.at(instance).ok_or(ApiErrorCode::UnknownUrl)?;
            let mut named: Vec<Named> = at.iter().map(|(name, model)| (name.clone(), model.clone())).collect();
            named.sort_by(|(one, _), (other, _)| one.cmp(other));
            named
        }
    };
    listed.retain(|(_, model)| rights::may_call(&worker.shared, &caller, model));
    let mut response = answer(incoming);
    Ok(match wants_messages_form(incoming) {
        true => response.json(MessagesList::new(&listed)),
        false => response.json(ModelList::new(listed.iter().map(|(name, model)| to_wire(name, model)).collect())),
    })
}

pub async fn get(
    worker: &Worker,
    incoming: &Incoming<'_>,
    id: &str,
    instance: Option<&str>,
) -> Result<HttpResponse, Refusal> {
    let caller = credential::check(&worker.shared, incoming.head, None).await?;
    let id = percent_decoded(id);
    let (model, _) = rights::check(&worker.shared, &caller, &id, instance)?;
    let name = if instance.is_some() { &*id } else { &*model.name };
    let mut response = answer(incoming);
    Ok(match wants_messages_form(incoming) {
        true => response.json(MessagesModel::new(name, &model)),
        false => response.json(to_wire(name, &model)),
    })
}

fn answer(incoming: &Incoming<'_>) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response.insert_header(("x-request-id", incoming.request_id.as_str()));
    response
}

fn to_wire(name: &str, model: &ModelEntry) -> WireModel {
    let context_length = (model.context_length > 0).then(|| u64::from(model.context_length));
    WireModel::new(name.to_owned(), model.created_at.unix_seconds(), model.owned_by.clone(), context_length)
}

/// Anthropic's clients name their version in every request and read a list of another form.
fn wants_messages_form(incoming: &Incoming<'_>) -> bool {
    incoming.head.headers().contains_key("anthropic-version")
}

/// `https://docs.claude.com/en/api/models-list`; all models are on one page.
#[derive(Serialize)]
struct MessagesList<'a> {
    data: Vec<MessagesModel<'a>>,
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

#[derive(Serialize)]
struct MessagesModel<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    display_name: &'a str,
    /// RFC 3339.
    created_at: String,
}

impl<'a> MessagesList<'a> {
    fn new(listed: &'a [Named]) -> Self {
        Self {
            data: listed.iter().map(|(name, model)| MessagesModel::new(name, model)).collect(),
            has_more: false,
            first_id: listed.first().map(|(name, _)| &**name),
            last_id: listed.last().map(|(name, _)| &**name),
        }
    }
}

impl<'a> MessagesModel<'a> {
    fn new(name: &'a str, model: &'a ModelEntry) -> Self {
        let display_name = if model.display_name.is_empty() { name } else { &model.display_name };
        Self { kind: "model", id: name, display_name, created_at: model.created_at.to_string() }
    }
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
