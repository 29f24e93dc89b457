//! The operations listener (`/livez`, `/readyz`, `/metrics`) and the HTTP metrics of the control plane.

use std::{sync::Arc, time::Duration};

use actix_web::{HttpResponse, http::Method, web};
use maas_runtime::{
    metrics::{self, MetricsError, MetricsRegistry, table},
    readiness::Readiness,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    http_request_method: &'static str,
    http_route: String,
    http_response_status_code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    http_request_method: &'static str,
}

/// Durations and active requests of the control plane's routes.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    durations: table::HistogramFamily<RequestLabels>,
    active: Family<MethodLabels, Gauge>,
}

impl HttpMetrics {
    pub fn register(registry: &MetricsRegistry) -> Result<Self, MetricsError> {
        Ok(Self {
            durations: registry
                .register(&table::HTTP_REQUEST_DURATION, table::HTTP_REQUEST_DURATION.histogram_family())?,
            active: registry.register(&table::HTTP_ACTIVE_REQUESTS, Family::default())?,
        })
    }

    /// Counts a request as active until the guard is dropped.
    pub fn enter(&self, method: &Method) -> ActiveRequest {
        let gauge = self.active.get_or_create_owned(&MethodLabels { http_request_method: method_text(method) });
        gauge.inc();
        ActiveRequest(gauge)
    }

    /// `route` is the pattern, never the raw path: its values are few.
    pub fn observe(&self, method: &Method, route: String, status: u16, duration: Duration) {
        let labels = RequestLabels {
            http_request_method: method_text(method),
            http_route: route,
            http_response_status_code: status,
        };
        self.durations.get_or_create(&labels).observe(duration.as_secs_f64());
    }
}

#[derive(Debug)]
pub struct ActiveRequest(Gauge);

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Methods that strangers invent must not become label values.
pub(crate) fn method_text(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}

/// What the operations endpoints show.
#[derive(Clone)]
pub struct Operations {
    pub readiness: Readiness,
    pub metrics: MetricsRegistry,
    /// Brings gauges up to date that cost something to read; called before each rendering.
    pub refresh: Arc<dyn Fn() + Send + Sync>,
}

/// The resources of the operations listener.
pub fn configure(services: &mut web::ServiceConfig, operations: Operations) {
    services
        .app_data(web::Data::new(operations))
        .route("/livez", web::get().to(|| async { HttpResponse::Ok().body("ok\n") }))
        .route("/readyz", web::get().to(readyz))
        .route("/metrics", web::get().to(show_metrics));
}

/// 200 when every check is fine, else 503; a line for each check in both cases.
async fn readyz(operations: web::Data<Operations>) -> HttpResponse {
    let mut text = String::new();
    for check in operations.readiness.snapshot() {
        let state = check.state.as_ref().map_or_else(|why| format!("failed: {why}"), |()| "ok".to_owned());
        text.push_str(&format!("{}: {state}\n", check.name));
    }
    let mut response =
        if operations.readiness.is_ready() { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.content_type("text/plain; charset=utf-8").body(text)
}

async fn show_metrics(operations: web::Data<Operations>) -> HttpResponse {
    (operations.refresh)();
    match operations.metrics.render() {
        Ok(text) => HttpResponse::Ok().content_type(metrics::CONTENT_TYPE).body(text),
        Err(error) => {
            tracing::error!(error = %error, "metrics cannot be rendered");
            HttpResponse::InternalServerError().finish()
        }
    }
}
