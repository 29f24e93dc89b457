//! The list of all public operations, and the state their handlers share.

use std::sync::Arc;

use utoipa_actix_web::service_config::ServiceConfig;

use crate::{http, service::Catalog};

/// What handlers of this service get; its own type, since several services may share one app.
#[derive(Clone)]
pub struct CatalogState(pub Arc<Catalog>);

/// Flat: no scopes, no middleware.
pub fn routes(services: &mut ServiceConfig) {
    services
        .service(http::list_models::list_models)
        .service(http::create_model::create_model)
        .service(http::get_model::get_model)
        .service(http::get_model_health::get_model_health)
        .service(http::update_model::update_model)
        .service(http::delete_model::delete_model)
        .service(http::list_upstreams::list_upstreams)
        .service(http::create_upstream::create_upstream)
        .service(http::update_upstream::update_upstream)
        .service(http::delete_upstream::delete_upstream)
        .service(http::list_prices::list_prices)
        .service(http::create_price::create_price)
        .service(http::list_sources::list_sources)
        .service(http::sync_source::sync_source)
        .service(http::list_available_models::list_available_models);
}
