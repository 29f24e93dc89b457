//! The public operations, in one flat list.

use maas_store::Database;
use maas_types::{Clock, Currency};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::http::{get_key_usage, get_usage_summary, list_usage_requests};

/// What handlers work with. A type of its own: in one process several services share an app.
#[derive(Clone)]
pub struct UsageState {
    pub database: Database,
    pub clock: std::sync::Arc<dyn Clock>,
    pub currency: Currency,
}

pub fn routes(services: &mut ServiceConfig) {
    services
        .service(get_usage_summary::get_usage_summary)
        .service(list_usage_requests::list_usage_requests)
        .service(get_key_usage::get_key_usage);
}
