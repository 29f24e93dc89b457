//! Every operation, flat.

use actix_web::web;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::http;

pub fn routes(services: &mut ServiceConfig) {
    services
        .service(http::create_key::create_key)
        .service(http::list_keys::list_keys)
        .service(http::get_key::get_key)
        .service(http::update_key::update_key)
        .service(http::block_key::block_key)
        .service(http::unblock_key::unblock_key)
        .service(http::revoke_key::revoke_key);
}

/// For other services of ours; no part of the public document.
pub fn internal_routes(services: &mut web::ServiceConfig) {
    services.service(http::export_key_states::export_key_states);
}
