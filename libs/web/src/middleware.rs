//! What happens around every control-plane request: request id, client address, final error body, metrics, log.
//!
//! It wraps whole apps, but leaves paths outside the control plane alone at the cost of a prefix check, so that the
//! data plane of a standalone process does not pay for it; the distributed proxy does not use it at all.

use std::{
    future::{Ready, ready},
    time::Instant,
};

use actix_web::{
    Error, FromRequest, HttpMessage as _, HttpRequest, HttpResponse,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
    middleware::Next,
    web,
};
use maas_events::audit_entry::{Actor, ActorKind};
use maas_types::{Clock as _, RequestId, SystemClock};

use crate::{
    caller::{Caller, WebSettings},
    client_address::client_address,
    openai_error,
    operations::HttpMetrics,
    problem::{self, Problem, ProblemCode},
    refusals,
};

const CONTROL_PREFIXES: [&str; 4] = ["/api/", "/maas-api/", "/.well-known/", "/docs"];

/// What handlers may know of the request besides its input; goes into audit records and logs.
#[derive(Debug, Clone)]
pub struct RequestContext {
    pub request_id: String,
    pub client_address: String,
}

impl RequestContext {
    /// Who acts, for the audit record of what the caller does with this request.
    pub fn actor(self, caller: &Caller) -> Actor {
        Actor {
            kind: ActorKind::User { id: caller.user_id, name: caller.user_name.clone() },
            request_id: self.request_id,
            address: self.client_address,
        }
    }
}

impl FromRequest for RequestContext {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let context = request.extensions().get::<Self>().cloned();
        ready(context.ok_or_else(|| Problem::internal("the control-plane middleware is not installed")))
    }
}

/// The middleware; install with `App::wrap(actix_web::middleware::from_fn(control_plane))`.
pub async fn control_plane<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    // As the router reads it, not as it was written: `/%61pi/` leads to the same resources.
    let path = request.match_info().as_str();
    if !CONTROL_PREFIXES.iter().any(|prefix| path.starts_with(prefix)) {
        return next.call(request).await.map(ServiceResponse::map_into_left_body);
    }
    let render: Render = if path.starts_with(openai_error::PREFIX) { openai_error::render } else { problem::render };
    let started = Instant::now();
    let context = RequestContext {
        request_id: request_id(request.headers().get("x-request-id")),
        client_address: shown_address(&request),
    };
    request.extensions_mut().insert(context.clone());
    let metrics = request.app_data::<web::Data<HttpMetrics>>().cloned();
    let active = metrics.as_ref().map(|metrics| metrics.enter(request.method()));

    // What extractors and handlers refuse comes as a response that remembers its error. The request must not be kept
    // here: the router needs it for itself and panics when there is a second handle.
    let response = next.call(request).await?;
    refusals::note(&response, &context);
    let mut response = finish(response, &context, render);
    add_headers(&mut response, &context);
    drop(active);
    if let Some(metrics) = metrics {
        let route = response.request().match_pattern().unwrap_or_else(|| "unmatched".to_owned());
        metrics.observe(response.request().method(), route, response.status().as_u16(), started.elapsed());
    }
    Ok(response)
}

/// In which shape errors are told.
type Render = fn(&Problem, String) -> HttpResponse;

/// Left with the answer by whatever answers paths that no resource took: a service's default, or the data plane of a
/// standalone process. Under our prefixes it is a 404 or 405 of ours, whatever it said.
#[derive(Debug, Clone, Copy)]
pub struct Unrouted;

fn finish<B: MessageBody + 'static>(
    response: ServiceResponse<B>,
    context: &RequestContext,
    render: Render,
) -> ServiceResponse<EitherBody<B, BoxBody>> {
    let rendered = if response.response().extensions().get::<Unrouted>().is_some() {
        // A resource has the path but not the method.
        let is_known_path = response.request().match_pattern().is_some();
        let code = if is_known_path { ProblemCode::MethodNotAllowed } else { ProblemCode::NotFound };
        Some(render(&Problem::new(code), context.request_id.clone()))
    } else {
        response.response().error().map(|error| render_error(error, context, render))
    };
    match rendered {
        Some(rendered) => response.into_response(rendered).map_into_right_body(),
        None => response.map_into_left_body(),
    }
}

fn render_error(error: &Error, context: &RequestContext, render: Render) -> HttpResponse {
    let foreign;
    let problem = match error.as_error::<Problem>() {
        Some(problem) => problem,
        None => {
            foreign = from_framework(error);
            &foreign
        }
    };
    if problem.code.status() >= 500 {
        tracing::error!(request.id = %context.request_id, error = %problem.chain(), "a request failed");
    }
    render(problem, context.request_id.clone())
}

/// An error that actix made before any of our code ran.
fn from_framework(error: &Error) -> Problem {
    let code = match error.as_response_error().status_code().as_u16() {
        404 => ProblemCode::NotFound,
        405 => ProblemCode::MethodNotAllowed,
        413 => ProblemCode::BodyTooLarge,
        415 => ProblemCode::UnsupportedMediaType,
        400..=499 => ProblemCode::InvalidInput,
        _ => return Problem::internal(error.to_string()),
    };
    Problem::with_detail(code, error.to_string())
}

fn add_headers<B>(response: &mut ServiceResponse<B>, context: &RequestContext) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&context.request_id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    let cache_control = HeaderName::from_static("cache-control");
    if !headers.contains_key(&cache_control) {
        headers.insert(cache_control, HeaderValue::from_static("no-store"));
    }
}

/// The client's own id if it is a harmless one, else a new one.
pub fn request_id(sent: Option<&HeaderValue>) -> String {
    let acceptable = |text: &&str| {
        (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let sent = sent.and_then(|value| value.to_str().ok()).filter(acceptable);
    sent.map_or_else(|| RequestId::new_at(SystemClock.now()).to_string(), str::to_owned)
}

/// For audit records and logs.
fn shown_address(request: &ServiceRequest) -> String {
    let trusted = request.app_data::<web::Data<WebSettings>>().map(|settings| settings.trusted_proxies.as_slice());
    let address = client_address(request.peer_addr(), request.headers(), trusted.unwrap_or_default());
    address.map_or_else(|| "unknown".to_owned(), |address| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_request_id_is_replaced() {
        assert_eq!(request_id(Some(&HeaderValue::from_static("abc-1"))), "abc-1");
        for hostile in ["a b", "a\"b", ""] {
            assert!(request_id(HeaderValue::from_str(hostile).ok().as_ref()).starts_with("req_"), "{hostile}");
        }
    }
}
