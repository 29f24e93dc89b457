//! Control from another process.

use actix_web::{HttpResponse, web};
use bytes::Bytes;

use crate::behaviour::Behaviour;
use crate::dialect::Dialect;
use crate::errors::Refusal;
use crate::recorder::{RecordedRequest, Recorder};
use crate::state::State;

type SharedState = web::Data<State>;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/_counters", web::get().to(read_counters))
        .route("/_requests", web::get().to(list_requests))
        .route("/_behaviour", web::get().to(read_behaviour))
        .route("/_behaviour", web::post().to(set_behaviour))
        .route("/_reset", web::post().to(reset));
}

async fn read_counters(state: SharedState) -> HttpResponse {
    HttpResponse::Ok().json(state.counters.snapshot())
}

async fn list_requests(state: SharedState) -> HttpResponse {
    let requests = state.recorder.as_ref().map(Recorder::newest).unwrap_or_default();
    let requests: Vec<_> = requests.into_iter().map(RecordedRequest::without_credentials).collect();
    HttpResponse::Ok().json(requests)
}

async fn read_behaviour(state: SharedState) -> HttpResponse {
    HttpResponse::Ok().json(state.behaviour())
}

/// Fields that are left out take their defaults.
async fn set_behaviour(state: SharedState, body: Bytes) -> HttpResponse {
    match serde_json::from_slice::<Behaviour>(&body) {
        Ok(behaviour) => {
            state.set_behaviour(behaviour);
            HttpResponse::NoContent().finish()
        }
        Err(error) => Refusal::bad_request(error.to_string()).answer(Dialect::OpenAi, false),
    }
}

async fn reset(state: SharedState) -> HttpResponse {
    state.reset();
    HttpResponse::NoContent().finish()
}
