//! The public operations, in one flat list.

use maas_store::Database;
use maas_types::{Clock, Currency};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    http::{
        create_usage_correction, export_usage, get_key_usage, get_quarantine_entry, get_usage_breakdown,
        get_usage_chargeback, get_usage_filters, get_usage_reconciliation, get_usage_summary, get_usage_timeseries,
        list_quarantine, list_usage_corrections, list_usage_requests, reject_quarantine_entry, replay_quarantine,
        replay_quarantine_entry,
    },
    service::export::Exports,
};

/// What handlers work with. A type of its own: in one process several services share an app.
#[derive(Clone)]
pub struct UsageState {
    pub database: Database,
    pub clock: std::sync::Arc<dyn Clock>,
    pub currency: Currency,
    pub exports: Exports,
}

pub fn routes(services: &mut ServiceConfig) {
    services
        .service(get_usage_summary::get_usage_summary)
        .service(get_usage_timeseries::get_usage_timeseries)
        .service(get_usage_breakdown::get_usage_breakdown)
        .service(get_usage_filters::get_usage_filters)
        .service(get_usage_chargeback::get_usage_chargeback)
        .service(export_usage::export_usage)
        .service(list_usage_requests::list_usage_requests)
        .service(get_key_usage::get_key_usage)
        .configure(repair_routes);
}

/// What admins do about usage that is missing, wrong or set aside.
fn repair_routes(services: &mut ServiceConfig) {
    services
        .service(get_usage_reconciliation::get_usage_reconciliation)
        .service(list_quarantine::list_quarantine)
        .service(replay_quarantine::replay_quarantine)
        .service(get_quarantine_entry::get_quarantine_entry)
        .service(replay_quarantine_entry::replay_quarantine_entry)
        .service(reject_quarantine_entry::reject_quarantine_entry)
        .service(create_usage_correction::create_usage_correction)
        .service(list_usage_corrections::list_usage_corrections);
}
