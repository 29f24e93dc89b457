//! Which path is which operation, and in which dialect.

use std::future::Future;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, Route, web};
use bytes::Bytes;

use crate::call::Call;
use crate::dialect::Dialect;
use crate::errors::Refusal;
use crate::json::json_answer;
use crate::operation::Operation;
use crate::state::State;
use crate::{audio, chat, embeddings, images, messages, models, moderations, rerank, responses, tokenize};

/// Vision and agent requests are large.
const MOST_BODY_BYTES: usize = 64 * 1024 * 1024;

type SharedState = web::Data<State>;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config.app_data(web::PayloadConfig::new(MOST_BODY_BYTES));
    // Paths are tried in this order, and chat is what benchmarks call.
    of_models(config, "/v1", Dialect::OpenAi);
    config.configure(health).configure(anthropic).configure(vllm);
    of_models(config, "/openai/v1", Dialect::Azure);
    of_models(config, "/openai/deployments/{deployment}", Dialect::Azure);
    of_accounts(config, "/v1", Dialect::OpenAi);
    of_accounts(config, "/openai/v1", Dialect::Azure);
    config.default_service(web::to(unknown_path));
}

/// Operations that Azure has both under its deployments and beside them.
fn of_models(config: &mut web::ServiceConfig, root: &str, dialect: Dialect) {
    let path = |end: &str| format!("{root}/{end}");
    config
        .route(&path("chat/completions"), post(Operation::ChatCompletions, dialect, chat::serve))
        .route(&path("completions"), post(Operation::Completions, dialect, chat::serve))
        .route(&path("embeddings"), post(Operation::Embeddings, dialect, embeddings::serve))
        .route(&path("images/generations"), post(Operation::ImageGenerations, dialect, images::serve))
        .route(&path("images/edits"), post(Operation::ImageEdits, dialect, images::serve))
        .route(&path("audio/speech"), post(Operation::Speech, dialect, audio::speech))
        .route(&path("audio/transcriptions"), post(Operation::Transcriptions, dialect, audio::transcriptions))
        .route(&path("audio/translations"), post(Operation::Translations, dialect, audio::transcriptions));
}

/// Operations that no deployment is named for.
fn of_accounts(config: &mut web::ServiceConfig, root: &str, dialect: Dialect) {
    let path = |end: &str| format!("{root}/{end}");
    config
        .route(&path("models"), get(Operation::ListModels, dialect, models::list))
        .route(&path("models/{id:.+}"), get(Operation::ListModels, dialect, models::read))
        .route(&path("moderations"), post(Operation::Moderations, dialect, moderations::serve))
        .route(&path("responses"), post(Operation::CreateResponse, dialect, responses::create))
        .route(&path("responses/{id}"), get(Operation::ReadResponse, dialect, responses::read))
        .route(&path("responses/{id}"), delete(Operation::DeleteResponse, dialect, responses::delete))
        .route(&path("responses/{id}/cancel"), post(Operation::CancelResponse, dialect, responses::cancel))
        .route(&path("responses/{id}/input_items"), get(Operation::ListInputItems, dialect, responses::input_items));
}

fn anthropic(config: &mut web::ServiceConfig) {
    config
        .route("/v1/messages", post(Operation::Messages, Dialect::Anthropic, messages::serve))
        .route("/v1/messages/count_tokens", post(Operation::CountTokens, Dialect::Anthropic, messages::count_tokens));
}

/// Beside OpenAI's operations.
fn vllm(config: &mut web::ServiceConfig) {
    for path in ["/rerank", "/v1/rerank", "/v2/rerank"] {
        config.route(path, post(Operation::Rerank, Dialect::OpenAi, rerank::serve));
    }
    config
        .route("/tokenize", post(Operation::Tokenize, Dialect::OpenAi, tokenize::tokenize))
        .route("/detokenize", post(Operation::Detokenize, Dialect::OpenAi, tokenize::detokenize));
}

fn health(config: &mut web::ServiceConfig) {
    config.route("/health", web::get().to(bare_health)).route("/v1/health", web::get().to(named_health));
}

fn post<F>(operation: Operation, dialect: Dialect, serve: fn(Call) -> F) -> Route
where
    F: Future<Output = HttpResponse> + 'static,
{
    web::post().to(move |state: SharedState, request: HttpRequest, body: Bytes| {
        serve(Call::new(state, request, body, operation, dialect))
    })
}

fn get<F>(operation: Operation, dialect: Dialect, serve: fn(Call) -> F) -> Route
where
    F: Future<Output = HttpResponse> + 'static,
{
    without_body(web::get(), operation, dialect, serve)
}

fn delete<F>(operation: Operation, dialect: Dialect, serve: fn(Call) -> F) -> Route
where
    F: Future<Output = HttpResponse> + 'static,
{
    without_body(web::delete(), operation, dialect, serve)
}

fn without_body<F>(route: Route, operation: Operation, dialect: Dialect, serve: fn(Call) -> F) -> Route
where
    F: Future<Output = HttpResponse> + 'static,
{
    route.to(move |state: SharedState, request: HttpRequest| {
        serve(Call::new(state, request, Bytes::new(), operation, dialect))
    })
}

/// As vLLM: only a status.
async fn bare_health(state: SharedState) -> HttpResponse {
    HttpResponse::build(health_status(&state)).finish()
}

/// As Llama Stack.
async fn named_health(state: SharedState) -> HttpResponse {
    let status = health_status(&state);
    let word = if status.is_success() { "OK" } else { "Error" };
    json_answer(status, format!(r#"{{"status":"{word}"}}"#))
}

fn health_status(state: &State) -> StatusCode {
    StatusCode::from_u16(state.behaviour().health_status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

async fn unknown_path() -> HttpResponse {
    Refusal::not_found("There is nothing at this path.").answer(Dialect::OpenAi, false)
}
