//! What happens around every control-plane request: request id, client address, final error body, metrics, log.
//!
//! It wraps whole apps, but leaves paths outside the control plane alone at the cost of a prefix check, so that the
//! data plane of a standalone process does not pay for it; the distributed proxy does not use it at all.

use std::{
    future::{Ready, ready},
    net::{IpAddr, SocketAddr},
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
use maas_types::{Cidr, Clock as _, RequestId, SystemClock};

use crate::{
    caller::WebSettings,
    operations::HttpMetrics,
    problem::{self, Problem, ProblemCode},
};

const CONTROL_PREFIXES: [&str; 4] = ["/api/", "/maas-api/", "/.well-known/", "/docs"];

/// What handlers may know of the request besides its input; goes into audit records and logs.
#[derive(Debug, Clone)]
pub struct RequestContext {
    pub request_id: String,
    pub client_address: String,
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
    let started = Instant::now();
    let context = RequestContext {
        request_id: request_id(request.headers().get("x-request-id")),
        client_address: client_address(&request),
    };
    request.extensions_mut().insert(context.clone());
    let metrics = request.app_data::<web::Data<HttpMetrics>>().cloned();
    let active = metrics.as_ref().map(|metrics| metrics.enter(request.method()));

    // What extractors and handlers refuse comes as a response that remembers its error. The request must not be kept
    // here: the router needs it for itself and panics when there is a second handle.
    let mut response = finish(next.call(request).await?, &context);
    add_headers(&mut response, &context);
    drop(active);
    if let Some(metrics) = metrics {
        let route = response.request().match_pattern().unwrap_or_else(|| "unmatched".to_owned());
        metrics.observe(response.request().method(), route, response.status().as_u16(), started.elapsed());
    }
    Ok(response)
}

/// Left with the answer by whatever answers paths that no resource took: a service's default, or the data plane of a
/// standalone process. Under our prefixes it is a 404 or 405 of ours, whatever it said.
#[derive(Debug, Clone, Copy)]
pub struct Unrouted;

fn finish<B: MessageBody + 'static>(
    response: ServiceResponse<B>,
    context: &RequestContext,
) -> ServiceResponse<EitherBody<B, BoxBody>> {
    let rendered = if response.response().extensions().get::<Unrouted>().is_some() {
        // A resource has the path but not the method.
        let is_known_path = response.request().match_pattern().is_some();
        let code = if is_known_path { ProblemCode::MethodNotAllowed } else { ProblemCode::NotFound };
        Some(problem::render(&Problem::new(code), context.request_id.clone()))
    } else {
        response.response().error().map(|error| render_error(error, context))
    };
    match rendered {
        Some(rendered) => response.into_response(rendered).map_into_right_body(),
        None => response.map_into_left_body(),
    }
}

fn render_error(error: &Error, context: &RequestContext) -> HttpResponse {
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
    problem::render(problem, context.request_id.clone())
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

/// The last hop that is not a trusted proxy of ours.
fn client_address(request: &ServiceRequest) -> String {
    let peer = request.peer_addr().map(|address| address.ip());
    let trusted = request.app_data::<web::Data<WebSettings>>().map(|settings| settings.trusted_proxies.as_slice());
    let forwarded = request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok());
    let hops: Vec<Option<IpAddr>> = forwarded.flat_map(|value| value.split(',')).map(hop_address).collect();
    last_untrusted(peer, &hops, trusted.unwrap_or_default()).map_or_else(|| "unknown".to_owned(), |ip| ip.to_string())
}

/// The address of a hop; some proxies write its port, too.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// A hop that cannot be read ends the search: what stands before it may be the client's own invention.
fn last_untrusted(peer: Option<IpAddr>, hops: &[Option<IpAddr>], trusted: &[Cidr]) -> Option<IpAddr> {
    // A listener for both families shows IPv4 peers as mapped addresses.
    let mut address = peer?.to_canonical();
    for hop in hops.iter().rev() {
        if !trusted.iter().any(|network| network.contains(address)) {
            break;
        }
        let Some(hop) = hop else { break };
        address = hop.to_canonical();
    }
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ip(last: u8) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, last))
    }

    #[test]
    fn only_trusted_proxies_may_say_who_the_client_is() {
        let trusted: Vec<Cidr> = "10.0.0.1/32".parse().into_iter().collect();
        let hops = |text: &str| text.split(',').map(hop_address).collect::<Vec<_>>();
        assert_eq!(last_untrusted(Some(ip(9)), &hops("10.0.0.7"), &trusted), Some(ip(9)));
        assert_eq!(last_untrusted(Some(ip(1)), &hops("10.0.0.6, 10.0.0.7"), &trusted), Some(ip(7)));
        assert_eq!(last_untrusted(Some(ip(1)), &hops("10.0.0.6, 10.0.0.7:4711"), &trusted), Some(ip(7)));
        assert_eq!(last_untrusted(Some(ip(1)), &[], &trusted), Some(ip(1)));
        let mapped = "::ffff:10.0.0.1".parse().ok();
        assert_eq!(last_untrusted(mapped, &hops("10.0.0.7"), &trusted), Some(ip(7)));
    }

    #[test]
    fn what_stands_before_an_unreadable_hop_is_not_believed() {
        let trusted: Vec<Cidr> = "10.0.0.1/32".parse().into_iter().collect();
        let hops: Vec<_> = "192.0.2.1, unknown".split(',').map(hop_address).collect();
        assert_eq!(last_untrusted(Some(ip(1)), &hops, &trusted), Some(ip(1)));
    }

    #[test]
    fn a_hostile_request_id_is_replaced() {
        assert_eq!(request_id(Some(&HeaderValue::from_static("abc-1"))), "abc-1");
        for hostile in ["a b", "a\"b", ""] {
            assert!(request_id(HeaderValue::from_str(hostile).ok().as_ref()).starts_with("req_"), "{hostile}");
        }
    }
}
