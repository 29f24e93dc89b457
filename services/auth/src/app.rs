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
        .service(http::begin_sign_in::begin_sign_in)
        .service(http::finish_sign_in::finish_sign_in)
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
        .service(http::invite_user::invite_user)
        .service(http::delete_user::delete_user)
        .service(http::end_user_sessions::end_user_sessions)
        .service(http::create_service_account::create_service_account)
        .service(http::list_service_accounts::list_service_accounts)
        .service(http::get_service_account::get_service_account)
        .service(http::update_service_account::update_service_account)
        .service(http::delete_service_account::delete_service_account)
        .service(http::create_organisation::create_organisation)
        .service(http::list_organisations::list_organisations)
        .service(http::get_organisation::get_organisation)
        .service(http::update_organisation::update_organisation)
        .service(http::delete_organisation::delete_organisation)
        .service(http::create_team::create_team)
        .service(http::list_teams::list_teams)
        .service(http::get_team::get_team)
        .service(http::update_team::update_team)
        .service(http::delete_team::delete_team)
        .service(http::list_team_members::list_team_members)
        .service(http::add_team_member::add_team_member)
        .service(http::update_team_member::update_team_member)
        .service(http::remove_team_member::remove_team_member)
        .service(http::create_group_mapping::create_group_mapping)
        .service(http::list_group_mappings::list_group_mappings)
        .service(http::get_group_mapping::get_group_mapping)
        .service(http::update_group_mapping::update_group_mapping)
        .service(http::delete_group_mapping::delete_group_mapping)
        .service(http::create_token::create_token)
        .service(http::create_token::create_inference_token)
        .service(http::revoke_tokens::revoke_tokens)
        .service(http::revoke_tokens::revoke_inference_tokens)
        .service(http::revoke_token::revoke_token)
        .service(http::revoke_token::revoke_inference_token)
        .service(http::rotate_signing_keys::rotate_signing_keys)
        .service(http::get_signing_keys::get_signing_keys)
        .service(http::get_config::get_config)
        .service(http::list_audit::list_audit)
        .service(http::export_audit::export_audit)
        .service(http::get_audit_chain::get_audit_chain);
}

/// What only other services may call.
pub fn internal_routes(services: &mut web::ServiceConfig) {
    services
        .route(RESOLVE_PATH, web::post().to(http::resolve_caller::resolve_caller))
        .service(http::list_revocations::list_revocations)
        .service(http::get_token_keys::get_token_keys)
        .service(http::export_user_states::export_user_states)
        .service(http::export_team_states::export_team_states);
}
