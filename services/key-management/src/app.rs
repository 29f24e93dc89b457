//! Every operation, flat.

use actix_web::web;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::http;

pub fn routes(services: &mut ServiceConfig) {
    services
        .service(http::create_key::create_key)
        .service(http::list_keys::list_keys)
        // Before what takes any word for an id.
        .service(http::get_key_presets::get_key_presets)
        .service(http::get_key_pattern::get_key_pattern)
        .service(http::bulk_revoke_keys::bulk_revoke_keys)
        .service(http::report_leaked_key::report_leaked_key)
        .service(http::get_key::get_key)
        .service(http::update_key::update_key)
        .service(http::block_key::block_key)
        .service(http::unblock_key::unblock_key)
        .service(http::revoke_key::revoke_key)
        .service(http::rotate_key::rotate_key)
        .service(http::finish_key_rotation::finish_key_rotation)
        .service(http::cancel_key_rotation::cancel_key_rotation)
        .service(http::create_subscription::create_subscription)
        .service(http::list_subscriptions::list_subscriptions)
        .service(http::bulk_decide_subscriptions::bulk_decide_subscriptions)
        .service(http::get_subscription::get_subscription)
        .service(http::cancel_subscription::cancel_subscription)
        .service(http::request_subscription_review::request_subscription_review)
        .service(http::decide_subscription::decide_subscription)
        .service(http::suspend_subscription::suspend_subscription)
        .service(http::resume_subscription::resume_subscription)
        .service(http::override_subscription::override_subscription)
        .service(http::create_plan::create_plan)
        .service(http::list_plans::list_plans)
        .service(http::get_my_plan::get_my_plan)
        .service(http::get_plan::get_plan)
        .service(http::update_plan::update_plan)
        .service(http::delete_plan::delete_plan);
}

/// For other services of ours; no part of the public document.
pub fn internal_routes(services: &mut web::ServiceConfig) {
    services
        .service(http::list_revocations::list_revocations)
        .service(http::export_key_states::export_key_states)
        .service(http::export_plan_states::export_plan_states)
        .service(http::export_subscription_states::export_subscription_states);
}
