//! The way of every request for a model: counted, recorded, let in, understood, delayed, answered or refused.
#![expect(clippy::result_large_err, reason = "a refusal is a finished answer: boxing it would only move it twice")]

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;

use crate::behaviour::Behaviour;
use crate::connection;
use crate::dialect::{Dialect, header};
use crate::errors::{self, Refusal};
use crate::operation::Operation;
use crate::serving::Serving;
use crate::state::State;
use crate::stream::{self, EVENT_STREAM, Script};

/// One request, read completely.
pub(crate) struct Call {
    pub(crate) state: web::Data<State>,
    pub(crate) request: HttpRequest,
    pub(crate) body: Bytes,
    pub(crate) operation: Operation,
    pub(crate) dialect: Dialect,
    /// The model's name in paths of Azure.
    deployment: Option<String>,
}

/// What a request for a model asks for, as its operation reads it from the body.
pub(crate) trait Asked<'a>: Sized {
    /// Fails with words for the caller.
    fn read(call: &'a Call) -> Result<Self, String>;
    /// With modifiers.
    fn model(&self) -> &str;
    /// Where modifiers may stand beside the model.
    fn user(&self) -> Option<&str>;
    fn input_tokens(&self) -> u64;
    fn streams(&self) -> bool {
        false
    }
}

/// A request that gets a result.
pub(crate) struct Accepted<T> {
    pub(crate) asked: T,
    pub(crate) behaviour: Arc<Behaviour>,
    pub(crate) serving: Serving,
}

impl<T> Accepted<T> {
    /// Everything goes out at once.
    pub(crate) fn complete(mut self, output_tokens: u64, answer: HttpResponse) -> HttpResponse {
        self.serving.sent(output_tokens);
        self.serving.completed();
        answer
    }

    pub(crate) fn stream(self, script: impl Script + 'static) -> HttpResponse {
        self.stream_as(EVENT_STREAM, script)
    }

    pub(crate) fn stream_as(self, content_type: &str, script: impl Script + 'static) -> HttpResponse {
        let drip = self.behaviour.drip;
        HttpResponse::Ok().content_type(content_type).streaming(stream::body(script, drip, self.serving))
    }

    pub(crate) fn refuse(mut self, call: &Call, refusal: &Refusal) -> HttpResponse {
        self.serving.refused();
        refusal.answer(call.dialect, self.behaviour.flat_errors)
    }
}

/// Answers with `answer`, unless the request or the behaviour gives a reason not to.
pub(crate) async fn serve<'a, T: Asked<'a>>(
    call: &'a Call,
    answer: impl FnOnce(&'a Call, Accepted<T>) -> HttpResponse,
) -> HttpResponse {
    let accepted = match call.accept::<T>().await {
        Ok(accepted) => accepted,
        Err(refusal) => return refusal,
    };
    let behaviour = accepted.behaviour.clone();
    let answer = answer(call, accepted);
    match behaviour.connection_fault {
        Some(fault) => connection::deliver(&call.request, fault, &behaviour, answer).await,
        None => answer,
    }
}

impl Call {
    pub(crate) fn new(
        state: web::Data<State>,
        request: HttpRequest,
        body: Bytes,
        operation: Operation,
        dialect: Dialect,
    ) -> Self {
        let names_deployment = request.match_info().get("deployment").is_some();
        let deployment = names_deployment.then(|| path_value(&request));
        Self { state, request, body, operation, dialect, deployment }
    }

    /// The variable part of the path, decoded.
    pub(crate) fn path_value(&self) -> String {
        path_value(&self.request)
    }

    /// Counts and records the request, and checks its key and version.
    pub(crate) fn admit(&self) -> Result<Arc<Behaviour>, HttpResponse> {
        self.state.counters.arrived(self.operation);
        if let Some(recorder) = &self.state.recorder {
            recorder.record(&self.request, &self.body);
        }
        let behaviour = self.state.behaviour();
        if let Some(key) = behaviour.required_api_key.as_deref()
            && !self.dialect.finds_key(&self.request, key)
        {
            return Err(self.refuse(&behaviour, &Refusal::unauthorized()));
        }
        match self.missing_version() {
            Some(refusal) => Err(self.refuse(&behaviour, &refusal)),
            None => Ok(behaviour),
        }
    }

    /// Counts a refusal of a request that was not accepted.
    pub(crate) fn refuse(&self, behaviour: &Behaviour, refusal: &Refusal) -> HttpResponse {
        self.state.counters.refused(self.operation);
        refusal.answer(self.dialect, behaviour.flat_errors)
    }

    /// The model's name in the answer. Azure names the model behind a deployment, not the deployment.
    pub(crate) fn answered_model<'a>(&self, asked: &'a str) -> Cow<'a, str> {
        match &self.deployment {
            Some(deployment) => Cow::Owned(format!("{deployment}-2025-01-01")),
            None => Cow::Borrowed(asked),
        }
    }

    async fn accept<'a, T: Asked<'a>>(&'a self) -> Result<Accepted<T>, HttpResponse> {
        let behaviour = self.admit()?;
        let (asked, behaviour) = self.understand::<T>(behaviour)?;
        let served = without_modifiers(self.asked_model(asked.model()));
        let mut serving =
            Serving::begin(self.state.counters.clone(), self.operation, served, self.state.kept_id(&self.request));
        let error = self.state.failures.take(&behaviour);
        if error.is_none() {
            serving.accepted(asked.input_tokens());
        }
        // When the client leaves in here, this future is dropped and `serving` counts a cancellation.
        if behaviour.first_byte_delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(behaviour.first_byte_delay_ms)).await;
        }
        if let Some(error) = error {
            serving.refused();
            return Err(errors::answer(error, &behaviour, self.dialect, asked.streams()));
        }
        Ok(Accepted { asked, behaviour, serving })
    }

    fn understand<'a, T: Asked<'a>>(&'a self, behaviour: Arc<Behaviour>) -> Result<(T, Arc<Behaviour>), HttpResponse> {
        let bad_request = |message: String| self.refuse(&behaviour, &Refusal::bad_request(message));
        let asked = T::read(self).map_err(bad_request)?;
        let model = self.asked_model(asked.model());
        if model.is_empty() {
            return Err(bad_request("missing field `model`".to_owned()));
        }
        if !self.state.serves(without_modifiers(model)) {
            return Err(self.refuse(&behaviour, &self.unknown_model(model)));
        }
        let modifiers = || modifiers(model, asked.user());
        if modifiers().next().is_none() {
            return Ok((asked, behaviour));
        }
        let changed = behaviour.with_modifiers(modifiers()).map_err(|error| bad_request(error.to_string()))?;
        Ok((asked, Arc::new(changed)))
    }

    /// The path decides before the body.
    fn asked_model<'m>(&'m self, in_body: &'m str) -> &'m str {
        self.deployment.as_deref().unwrap_or(in_body)
    }

    fn unknown_model(&self, model: &str) -> Refusal {
        match self.dialect {
            Dialect::OpenAi => Refusal::not_found(format!("The model `{model}` does not exist.")),
            Dialect::Anthropic => Refusal::not_found(format!("model: {model}")),
            Dialect::Azure => Refusal {
                code: Some("DeploymentNotFound"),
                ..Refusal::not_found("The API deployment for this resource does not exist.")
            },
        }
    }

    fn missing_version(&self) -> Option<Refusal> {
        match self.dialect {
            Dialect::Anthropic if header(&self.request, "anthropic-version").is_none() => {
                Some(Refusal::bad_request("anthropic-version: header is required"))
            }
            Dialect::Azure if self.deployment.is_some() && !self.request.query_string().contains("api-version=") => {
                Some(Refusal::new(StatusCode::NOT_FOUND, "NotFoundError", "Resource not found"))
            }
            _ => None,
        }
    }
}

fn path_value(request: &HttpRequest) -> String {
    request.match_info().load::<String>().unwrap_or_default()
}

/// Of several fields that may hold modifiers, the one that does.
pub(crate) fn marked<const N: usize>(fields: [Option<&str>; N]) -> Option<&str> {
    fields.into_iter().flatten().find(|field| field.starts_with("sim:"))
}

/// From the model's name, then from the user.
fn modifiers<'a>(model: &'a str, user: Option<&'a str>) -> impl Iterator<Item = &'a str> {
    let of_user = user.and_then(|user| user.strip_prefix("sim:"));
    model.split('+').skip(1).chain(of_user.into_iter().flat_map(|modifiers| modifiers.split('+')))
}

/// The served model's name.
fn without_modifiers(model: &str) -> &str {
    model.split('+').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_come_from_the_model_and_the_user() {
        let found: Vec<&str> = modifiers("sim/llama+drip", Some("sim:tokens-3+fault-cut")).collect();
        assert_eq!(found, ["drip", "tokens-3", "fault-cut"]);
        assert_eq!(without_modifiers("sim/llama+drip"), "sim/llama");
        assert_eq!(modifiers("sim", Some("alice")).next(), None);
    }
}
