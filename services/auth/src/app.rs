//! The operations of the service and the state that their handlers get.

use std::sync::Arc;

use actix_web::web;
use maas_web::remote_caller::RESOLVE_PATH;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    http,
    service::{Core, callers::LocalCallerResolver},
};

/// Its own type, since several services may share one app.
#[derive(Clone)]
pub struct AuthState(Arc<Core>);

impl AuthState {
    pub fn new(core: Arc<Core>) -> Self {
        Self(core)
    }

    pub fn core(&self) -> &Core {
        &self.0
    }

    pub fn resolver(&self) -> LocalCallerResolver {
        LocalCallerResolver(self.0.clone())
    }
}

/// Every public operation.
pub fn routes(services: &mut ServiceConfig) {
    services
        .service(http::sign_in::sign_in)
        .service(http::sign_out::sign_out)
        .service(http::change_password::change_password)
        .service(http::get_me::get_me)
        .service(http::list_sessions::list_sessions)
        .service(http::end_other_sessions::end_other_sessions)
        .service(http::end_session::end_session)
        .service(http::list_users::list_users)
        .service(http::create_user::create_user)
        .service(http::get_user::get_user)
        .service(http::update_user::update_user)
        .service(http::reset_password::reset_password)
        .service(http::create_token::create_token)
        .service(http::get_signing_keys::get_signing_keys)
        .service(http::get_config::get_config)
        .service(http::list_audit::list_audit);
}

/// What only other services may call.
pub fn internal_routes(services: &mut web::ServiceConfig) {
    services
        .route(RESOLVE_PATH, web::post().to(http::resolve_caller::resolve_caller))
        .service(http::export_user_states::export_user_states);
}
