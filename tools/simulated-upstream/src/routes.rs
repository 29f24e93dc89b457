//! The OpenAI-compatible paths.
#![expect(clippy::result_large_err, reason = "a refusal is a finished answer: boxing it would only move it twice")]

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;

use crate::answer::{self, Extent};
use crate::behaviour::Behaviour;
use crate::counters::Serving;
use crate::operation::Operation;
use crate::request::ModelRequest;
use crate::state::{State, model_object};
use crate::stream::{self, Script};

/// Vision and agent requests are large.
const MOST_BODY_BYTES: usize = 64 * 1024 * 1024;

type SharedState = web::Data<State>;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .app_data(web::PayloadConfig::new(MOST_BODY_BYTES))
        .route("/health", web::get().to(HttpResponse::Ok))
        .route("/v1/health", web::get().to(health))
        .route("/v1/models", web::get().to(list_models))
        .route("/v1/models/{id:.+}", web::get().to(read_model))
        .route("/v1/chat/completions", web::post().to(chat_completions))
        .route("/v1/completions", web::post().to(completions))
        .route("/v1/embeddings", web::post().to(embeddings))
        .default_service(web::to(unknown_path));
}

async fn health() -> HttpResponse {
    answer::json_answer(StatusCode::OK, r#"{"status":"OK"}"#)
}

async fn unknown_path() -> HttpResponse {
    answer::error_object(StatusCode::NOT_FOUND, "NotFoundError", "There is nothing at this path.")
}

async fn list_models(state: SharedState, request: HttpRequest) -> HttpResponse {
    if let Err(refusal) = admit(&state, &request, &[], Operation::ListModels) {
        return refusal;
    }
    state.counters.completed();
    answer::json_answer(StatusCode::OK, state.models_body.clone())
}

async fn read_model(state: SharedState, request: HttpRequest, id: web::Path<String>) -> HttpResponse {
    if let Err(refusal) = admit(&state, &request, &[], Operation::ListModels) {
        return refusal;
    }
    if !state.serves(&id) {
        return refuse(&state, unknown_model(&id));
    }
    state.counters.completed();
    answer::json_answer(StatusCode::OK, model_object(&id))
}

async fn chat_completions(state: SharedState, request: HttpRequest, body: Bytes) -> HttpResponse {
    serve(&state, &request, &body, Operation::ChatCompletions).await
}

async fn completions(state: SharedState, request: HttpRequest, body: Bytes) -> HttpResponse {
    serve(&state, &request, &body, Operation::Completions).await
}

async fn embeddings(state: SharedState, request: HttpRequest, body: Bytes) -> HttpResponse {
    serve(&state, &request, &body, Operation::Embeddings).await
}

async fn serve(state: &State, request: &HttpRequest, body: &[u8], operation: Operation) -> HttpResponse {
    let behaviour = match admit(state, request, body, operation) {
        Ok(behaviour) => behaviour,
        Err(refusal) => return refusal,
    };
    let (asked, behaviour) = match understand(state, body, behaviour) {
        Ok(understood) => understood,
        Err(refusal) => return refuse(state, refusal),
    };
    let mut serving = Serving::begin(state.counters.clone(), asked.served_model());
    let error = state.take_error(&behaviour);
    if error.is_none() {
        serving.accepted(asked.messages.count);
    }
    // When the client leaves in here, this future is dropped and `serving` counts a cancellation.
    if behaviour.first_byte_delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(behaviour.first_byte_delay_ms)).await;
    }
    if let Some(error) = error {
        serving.refused();
        return answer::error(error, &behaviour);
    }
    result(state, operation, &asked, &behaviour, serving)
}

fn result(
    state: &State,
    operation: Operation,
    asked: &ModelRequest<'_>,
    behaviour: &Behaviour,
    mut serving: Serving,
) -> HttpResponse {
    if operation == Operation::Embeddings {
        serving.completed();
        return answer::embeddings(asked, behaviour);
    }
    let id = state.next_id();
    if asked.stream == Some(true) {
        let script = Script::new(id, operation, asked, behaviour.clone());
        return HttpResponse::Ok().content_type("text/event-stream").streaming(stream::body(script, serving));
    }
    let extent = Extent::of(asked, behaviour);
    serving.sent(extent.tokens);
    serving.completed();
    answer::result(id, operation, asked, behaviour, extent)
}

/// Counts and records the request, and checks its key.
fn admit(
    state: &State,
    request: &HttpRequest,
    body: &[u8],
    operation: Operation,
) -> Result<Arc<Behaviour>, HttpResponse> {
    state.counters.arrived(operation);
    if let Some(recorder) = &state.recorder {
        recorder.record(request, body);
    }
    let behaviour = state.behaviour();
    let Some(required) = behaviour.required_api_key.as_deref() else {
        return Ok(behaviour);
    };
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given.and_then(|value| value.strip_prefix("Bearer ")) == Some(required) {
        return Ok(behaviour);
    }
    Err(refuse(state, answer::unauthorized()))
}

fn understand<'a>(
    state: &State,
    body: &'a [u8],
    behaviour: Arc<Behaviour>,
) -> Result<(ModelRequest<'a>, Arc<Behaviour>), HttpResponse> {
    let bad_request = |message: String| answer::error_object(StatusCode::BAD_REQUEST, "BadRequestError", &message);
    let asked: ModelRequest<'a> = serde_json::from_slice(body).map_err(|error| bad_request(error.to_string()))?;
    if !state.serves(asked.served_model()) {
        return Err(unknown_model(&asked.model));
    }
    if !asked.has_modifiers() {
        return Ok((asked, behaviour));
    }
    let changed = behaviour.with_modifiers(asked.modifiers()).map_err(|error| bad_request(error.to_string()))?;
    Ok((asked, Arc::new(changed)))
}

fn refuse(state: &State, refusal: HttpResponse) -> HttpResponse {
    state.counters.refused();
    refusal
}

fn unknown_model(model: &str) -> HttpResponse {
    let message = format!("The model `{model}` does not exist.");
    answer::error_object(StatusCode::NOT_FOUND, "NotFoundError", &message)
}
