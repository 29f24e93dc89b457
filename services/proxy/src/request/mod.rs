//! The path of a data-plane request, as one visible list of steps.

mod asked;
mod body;
mod call;
mod credential;
mod encoding;
mod key_check;
mod models;
mod outgoing;
pub mod own_key;
mod rights;
mod route;
mod send;
mod stored_response;
mod token_check;
mod token_count;
mod upload;

use std::{rc::Rc, sync::Arc, time::Instant};

use actix_web::{
    HttpRequest, HttpResponse,
    dev::Payload,
    http::{
        Method,
        header::{HeaderName, HeaderValue},
    },
};
use maas_journal::JournalError;
use maas_keys::ResponseId;
use maas_llm::{api::Api, error::ApiErrorCode, request::RequestFields};
use maas_types::{Operation, UpstreamId};
use maas_web::middleware::Unrouted;
use uuid::Uuid;

pub use asked::{Asked, Content};
pub use credential::Caller;
pub use outgoing::{Outgoing, build};
pub use route::ModelRoute;
pub use send::{AttemptKind, Attempted, Reply, Sent, send};

use crate::{
    metering::{Account, Admission, OpenRequest, on_disk},
    path::{Endpoint, route},
    refusal::Refusal,
    relay,
    revocation::cutting::OpenCall,
    routing::{FallbackReason, HasFallbacks as _},
    state::{ModelEntry, UpstreamEntry, Via},
    worker::{InProgress, Shared, Worker},
};
use body::BodyForm;

/// Under this name, and no other, Anthropic's clients look for the id of a request.
const REQUEST_ID_OF_MESSAGES: HeaderName = HeaderName::from_static("request-id");

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
    let route = route(head.path());
    let instance = route.instance;
    // Everything else is asked for with a key, and who has none learns nothing about instances.
    let is_nobodys_health = route.endpoint == Endpoint::Health && !exists(&worker.shared, instance);
    let endpoint = if is_nobodys_health { Endpoint::Unknown } else { route.endpoint };
    let answered = match endpoint {
        Endpoint::Health => Ok(health(worker, &incoming.request_id)),
        Endpoint::Inference(operation) if head.method() == Method::POST => {
            inference(worker, &incoming, operation, instance, payload).await
        }
        Endpoint::StoredResponse { id, part } => stored_response::answer(worker, &incoming, id, part).await,
        Endpoint::ListModels if is_read(head) => models::list(worker, &incoming, instance).await,
        Endpoint::GetModel(id) if is_read(head) => models::get(worker, &incoming, id, instance).await,
        Endpoint::GetOwnKey if is_read(head) => own_key::get(worker, &incoming).await,
        Endpoint::Unknown => Err(ApiErrorCode::UnknownUrl.into()),
        _ => Err(ApiErrorCode::MethodNotAllowed.into()),
    };
    let mut response = answered.unwrap_or_else(|refusal: Refusal| {
        let mut api = Api::Plain;
        if let Endpoint::Inference(operation) = endpoint {
            api = Api::of(operation);
            let metrics = &worker.shared.metrics;
            let settlement = refusal.settlement();
            metrics.request_without_model(operation, settlement.outcome, settlement.code);
        }
        let mut response = refusal.render(api, &incoming.request_id);
        if endpoint == Endpoint::Unknown {
            response.extensions_mut().insert(Unrouted);
        }
        response
    });
    if speaks_messages(head, endpoint)
        && let Ok(id) = HeaderValue::from_str(&incoming.request_id)
    {
        response.headers_mut().insert(REQUEST_ID_OF_MESSAGES, id);
    }
    response
}

/// Before anything is known of the models, no instance is known to be missing.
fn exists(shared: &Shared, instance: Option<&str>) -> bool {
    instance.is_none_or(|name| rights::known_models(shared).map_or(true, |models| models.at(name).is_some()))
}

/// Anthropic's clients say their version with everything they ask.
fn speaks_messages(head: &HttpRequest, endpoint: Endpoint<'_>) -> bool {
    matches!(endpoint, Endpoint::Inference(operation) if Api::of(operation) == Api::Messages)
        || head.headers().contains_key("anthropic-version")
}

/// One inference request. Until `admit` a refusal leaves nothing behind but a count; from there on every end is a
/// usage event, and so every later error is settled where it happens and not returned from here.
async fn inference(
    worker: &Rc<Worker>,
    incoming: &Incoming<'_>,
    operation: Operation,
    instance: Option<&str>,
    payload: Payload,
) -> Result<HttpResponse, Refusal> {
    let shared = &worker.shared;
    let form = BodyForm::of(operation);

    // Cheap checks first: nothing of the body is read for a request that has no right to send one.
    body::check_headers(incoming.head, form, shared.settings.max_body_bytes)?;
    if shared.draining.is_cancelled() {
        return Err(ApiErrorCode::Draining.into());
    }
    let mut in_progress = InProgress::enter(shared).ok_or(ApiErrorCode::Overloaded)?;
    let generation = shared.cutter.generation();
    let caller = credential::check(shared, incoming.head, Some(operation)).await?;
    shared.metrics.overhead_auth.observe(incoming.started.elapsed().as_secs_f64());

    let read = read_body(shared, incoming, operation, payload, &mut in_progress).await?;
    // The time that the client takes to send its body is not ours.
    let body_read = Instant::now();
    let (model, catalogue_revision) = rights::check(shared, &caller, &read.model, instance)?;
    let pinned = read.continues(&caller, shared, &model)?;
    let call = enter(worker, &caller, generation)?;
    let asked = Asked {
        call,
        operation,
        api: Api::of(operation),
        stream: read.fields().is_some_and(|fields| fields.stream),
        include_usage: read.fields().is_some_and(|fields| fields.include_usage),
        model: read.model,
        forwarded: asked::forwarded_headers(incoming.head, Api::of(operation)),
        request_id: incoming.request_id.clone(),
        admitted_at: shared.clock.now(),
        content: with_previous(read.content, pinned.as_ref()),
        caller,
        body_read,
    };
    let upstream = pinned.map(|previous| UpstreamId::from_uuid(Uuid::from_bytes(previous.upstream)));
    let route = ModelRoute::of(model.clone(), operation, instance, upstream).or_else(|| {
        ModelRoute::of(maker_among_fallbacks(shared, &asked, &model, upstream?)?, operation, None, upstream)
    });
    let counts_here = route.is_none() && token_count::is_made_here(&model, operation);
    if route.is_none() && !counts_here {
        return Err(unroutable(&model, &asked, upstream));
    }
    if !worker.journal.borrow().can_admit() {
        return Err(ApiErrorCode::MeteringUnavailable.into());
    }

    let team = asked.caller.booked_team(shared);
    let admission = Admission {
        account: Account::Caller { key: asked.caller.key.as_deref(), user: &asked.caller.user, team: team.as_deref() },
        model,
        catalogue_revision,
        operation,
        stream: asked.stream,
        request_id: &incoming.request_id,
        started: incoming.started,
        now: asked.admitted_at,
    };
    let unrecorded = |error: JournalError| {
        tracing::error!(error = %error, "a request cannot be put on record");
        Refusal::from(ApiErrorCode::MeteringUnavailable)
    };
    let open = OpenRequest::admit(&worker.journal, &shared.metrics, &admission).map_err(unrecorded)?;
    if let Err(error) = open.on_record().await {
        return Ok(relay::refuse(open, asked.api, &unrecorded(error)));
    }
    let confirming = open.confirming();
    shared.metrics.overhead_route.observe(body_read.elapsed().as_secs_f64());

    let answer = match route {
        Some(route) => relay::relay(worker, open, Rc::new(asked), route, in_progress).await,
        None => token_count::answer(open, &asked).await,
    };
    on_disk::hold_back(confirming, answer).await.map_err(unrecorded)
}

/// From here on the call is ended if its caller may no longer call. `generation` is of before the caller was checked: the
/// client may have taken minutes to send its body.
fn enter(worker: &Worker, caller: &Caller, generation: u64) -> Result<Rc<OpenCall>, Refusal> {
    let (shared, identity) = (&worker.shared, caller.identity());
    let call = worker.open_calls.enter(identity.clone());
    if shared.cutter.generation() == generation {
        return Ok(call);
    }
    match identity.lost(&shared.state, shared.clock.now()) {
        Some(reason) => Err(reason.into()),
        None => Ok(call),
    }
}

/// The fallback of the model that has made the answer which the request goes on from: only it knows that answer.
fn maker_among_fallbacks(
    shared: &Shared,
    asked: &Asked,
    model: &ModelEntry,
    upstream: UpstreamId,
) -> Option<Arc<ModelEntry>> {
    let models = rights::known_models(shared).ok()?;
    let (maker, _) = models.upstream(upstream)?;
    let mut named = [FallbackReason::Unavailable, FallbackReason::ContextLength]
        .into_iter()
        .flat_map(|reason| model.fallbacks(reason));
    let is_named = named.any(|name| models.get(name).is_some_and(|fallback| fallback.id == maker.id));
    (is_named && rights::may_call(shared, &asked.caller, maker)).then(|| maker.clone())
}

/// A body as far as it has to be known, before rights are checked.
struct ReadBody {
    model: String,
    content: Content,
}

impl ReadBody {
    const fn fields(&self) -> Option<&RequestFields> {
        match &self.content {
            Content::Json { fields, .. } => Some(fields),
            Content::Upload(_) => None,
        }
    }

    /// The stored answer that the request goes on from, if this caller owns it and the model's upstreams keep answers.
    fn continues(&self, caller: &Caller, shared: &Shared, model: &ModelEntry) -> Result<Option<ResponseId>, Refusal> {
        let Some((id, _)) = self.fields().and_then(|fields| fields.previous_response_id.as_ref()) else {
            return Ok(None);
        };
        let keeps = |upstream: &Arc<UpstreamEntry>| upstream.via(Operation::Responses) == Some(Via::Native);
        if !model.upstreams.is_empty() && !model.upstreams.iter().any(keeps) {
            let message = "The upstream of this model keeps no answers: send the whole conversation as `input`.";
            return Err(unsupported("previous_response_id", message));
        }
        stored_response::open(id, caller, shared)
            .map(Some)
            .map_err(|refusal| Refusal { param: Some("previous_response_id".to_owned()), ..refusal })
    }
}

async fn read_body(
    shared: &Shared,
    incoming: &Incoming<'_>,
    operation: Operation,
    payload: Payload,
    in_progress: &mut InProgress,
) -> Result<ReadBody, Refusal> {
    if BodyForm::of(operation) == BodyForm::Upload {
        let upload = upload::read(incoming.head, payload, &shared.settings, in_progress).await?;
        return Ok(ReadBody { model: upload.model().to_owned(), content: Content::Upload(Box::new(upload)) });
    }
    let body = body::read(incoming.head, payload, &shared.settings, in_progress).await?;
    let fields = RequestFields::scan(&body, operation).map_err(|error| {
        let refusal = Refusal::with_message(ApiErrorCode::InvalidRequest, error.to_string());
        Refusal { param: error.param().map(str::to_owned), ..refusal }
    })?;
    check_supported(&fields)?;
    Ok(ReadBody { model: fields.model.clone(), content: Content::Json { body, fields, previous_response: None } })
}

/// What no upstream may be asked for through here: the one could not be metered, the other could be somebody else's.
fn check_supported(fields: &RequestFields) -> Result<(), Refusal> {
    if fields.background {
        let message = "`background` is not supported: ask for the answer, streamed or not.";
        return Err(unsupported("background", message));
    }
    if fields.conversation {
        let message = "`conversation` is not supported: use `previous_response_id`, or send the items.";
        return Err(unsupported("conversation", message));
    }
    Ok(())
}

fn unsupported(param: &str, message: impl Into<String>) -> Refusal {
    let refusal = Refusal::with_message(ApiErrorCode::UnsupportedParameter, message);
    Refusal { param: Some(param.to_owned()), ..refusal }
}

fn with_previous(content: Content, previous: Option<&ResponseId>) -> Content {
    match (content, previous) {
        (Content::Json { body, fields, .. }, Some(previous)) => {
            Content::Json { body, fields, previous_response: Some(previous.original.clone()) }
        }
        (content, _) => content,
    }
}

/// Why nobody is left to ask.
fn unroutable(model: &ModelEntry, asked: &Asked, pinned: Option<UpstreamId>) -> Refusal {
    if let Some(pinned) = pinned
        && !model.upstreams.iter().any(|upstream| upstream.id == pinned)
    {
        let refusal = Refusal::from(ApiErrorCode::ResponseNotFound);
        return Refusal { param: Some("previous_response_id".to_owned()), ..refusal };
    }
    if model.upstreams.is_empty() {
        return ApiErrorCode::ModelUnavailable.into();
    }
    let message = format!("The model `{}` does not offer `{}`.", asked.model, asked.operation.as_str());
    unsupported("model", message)
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
