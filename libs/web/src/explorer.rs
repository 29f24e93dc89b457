//! The API explorer at `/docs`, from files inside the binary, and the list of errors at `/docs/errors`.

use actix_web::{HttpResponse, web};
use utoipa_swagger_ui::{Config, SwaggerUi};

/// The services whose documents the explorer offers.
const SERVICES: [&str; 5] = ["auth", "key-management", "model-catalog", "usage-ingest", "proxy"];
const ERRORS: &str = include_str!("../../../docs/errors.md");

/// The path under which a service serves its own document.
pub fn document_path(service: &str) -> String {
    format!("/api/v1/openapi/{service}.json")
}

/// Adds the explorer. One service of a deployment serves it for all; the documents come from each through one origin.
pub fn configure(services: &mut web::ServiceConfig) {
    let documents = SERVICES.map(document_path);
    services
        .route(
            "/docs",
            web::get().to(|| async { HttpResponse::Found().insert_header(("location", "/docs/")).finish() }),
        )
        .route("/docs/errors", web::get().to(errors))
        .service(SwaggerUi::new("/docs/{_:.*}").config(Config::new(documents).validator_url("none")));
}

async fn errors() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(ERRORS)
}

/// Serves a service's own document.
pub fn serve_document(services: &mut web::ServiceConfig, service: &str, text: String) {
    let text = web::Bytes::from(text);
    services.route(
        &document_path(service),
        web::get().to(move || {
            let text = text.clone();
            async move { HttpResponse::Ok().content_type("application/json").body(text) }
        }),
    );
}
