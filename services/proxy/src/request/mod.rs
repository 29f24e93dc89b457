//! The path of a data-plane request, as one visible list of steps.

mod body;
mod credential;
mod encoding;
mod models;
pub mod own_key;
mod rights;
mod send;

use std::{rc::Rc, time::Instant};

use actix_web::{HttpRequest, HttpResponse, dev::Payload, http::Method};
use maas_llm::{error::ApiErrorCode, request::RequestFields};
use maas_types::Operation;
use maas_web::middleware::Unrouted;

pub use send::{Outgoing, Reply, Sent, send};

use crate::{
    metering::{Admission, OpenRequest},
    path::{Endpoint, endpoint},
    refusal::Refusal,
    relay,
    worker::{InProgress, Worker},
};

/// A request whose headers were read.
pub struct Incoming<'a> {
    pub head: &'a HttpRequest,
    pub request_id: String,
    pub started: Instant,
}

/// Answers any request to the data plane.
pub async fn answer(worker: &Rc<Worker>, head: &HttpRequest, payload: Payload) -> HttpResponse {
    let incoming = Incoming {
        head,
        request_id: maas_web::middleware::request_id(head.headers().get("x-request-id")),
        started: Instant::now(),
    };
    let endpoint = endpoint(head.path());
    let answered = match endpoint {
        Endpoint::Health => Ok(health(worker, &incoming.request_id)),
        Endpoint::Inference(operation) if head.method() == Method::POST => {
            inference(worker, &incoming, operation, payload).await
        }
        Endpoint::ListModels if is_read(head) => models::list(worker, &incoming).await,
        Endpoint::GetModel(id) if is_read(head) => models::get(worker, &incoming, id).await,
        Endpoint::GetOwnKey if is_read(head) => own_key::get(worker, &incoming).await,
        Endpoint::Unknown => Err(ApiErrorCode::UnknownUrl.into()),
        _ => Err(ApiErrorCode::MethodNotAllowed.into()),
    };
    answered.unwrap_or_else(|refusal: Refusal| {
        if let Endpoint::Inference(operation) = endpoint {
            let metrics = &worker.shared.metrics;
            metrics.request_without_model(operation, refusal.code.outcome(), refusal.code.code());
        }
        let mut response = refusal.render(&incoming.request_id);
        if endpoint == Endpoint::Unknown {
            response.extensions_mut().insert(Unrouted);
        }
        response
    })
}

/// One inference request. Until `admit` a refusal leaves nothing behind but a count; from there on every end is a
/// usage event, and so every later error is settled where it happens and not returned from here.
async fn inference(
    worker: &Rc<Worker>,
    incoming: &Incoming<'_>,
    operation: Operation,
    payload: Payload,
) -> Result<HttpResponse, Refusal> {
    let shared = &worker.shared;

    // Cheap checks first: nothing of the body is read for a request that has no right to send one.
    body::check_headers(incoming.head, shared.settings.max_body_bytes)?;
    if shared.draining.is_cancelled() {
        return Err(ApiErrorCode::Draining.into());
    }
    let in_progress = InProgress::enter(shared).ok_or(ApiErrorCode::Overloaded)?;
    let caller = credential::check(shared, incoming.head).await?;
    shared.metrics.overhead_auth.observe(incoming.started.elapsed().as_secs_f64());

    let body = body::read(incoming.head, payload, &shared.settings).await?;
    // The time that the client takes to send its body is not ours.
    let body_read = Instant::now();
    let fields = RequestFields::scan(&body, operation).map_err(|error| {
        let refusal = Refusal::with_message(ApiErrorCode::InvalidRequest, error.to_string());
        Refusal { param: error.param().map(str::to_owned), ..refusal }
    })?;
    let (model, catalogue_revision) = rights::check(shared, &caller, &fields.model)?;
    let candidates = rights::candidates(&model, operation)?;
    if !worker.journal.borrow().can_admit() {
        return Err(ApiErrorCode::MeteringUnavailable.into());
    }

    let admission = Admission {
        key: &caller.key,
        user: &caller.user,
        model,
        catalogue_revision,
        operation,
        stream: fields.stream,
        request_id: &incoming.request_id,
        started: incoming.started,
        now: shared.clock.now(),
    };
    let open = OpenRequest::admit(&worker.journal, &shared.metrics, &admission).map_err(|error| {
        tracing::error!(error = %error, "a request cannot be put on record");
        Refusal::from(ApiErrorCode::MeteringUnavailable)
    })?;
    shared.metrics.overhead_route.observe(body_read.elapsed().as_secs_f64());

    let outgoing = Outgoing { body, fields, candidates, operation, body_read };
    Ok(relay::relay(worker, open, outgoing, in_progress).await)
}

fn is_read(head: &HttpRequest) -> bool {
    matches!(*head.method(), Method::GET | Method::HEAD)
}

fn health(worker: &Worker, request_id: &str) -> HttpResponse {
    let (mut response, status) = match worker.shared.draining.is_cancelled() {
        true => (HttpResponse::ServiceUnavailable(), "draining"),
        false => (HttpResponse::Ok(), "OK"),
    };
    response.insert_header(("x-request-id", request_id)).json(serde_json::json!({"status": status}))
}
