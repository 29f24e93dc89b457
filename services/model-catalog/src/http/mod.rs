//! HTTP: one file per operation. To add one, add its file here and a line in [`crate::app::routes`].

pub mod create_model;
pub mod create_price;
pub mod create_upstream;
pub mod delete_model;
pub mod delete_upstream;
pub mod get_model;
pub mod get_model_health;
pub mod internal_models;
pub mod list_available_models;
pub mod list_models;
pub mod list_prices;
pub mod list_sources;
pub mod list_upstreams;
mod model;
mod price;
pub mod sync_source;
pub mod update_model;
pub mod update_upstream;
mod upstream;

use maas_store::StoreError;
use maas_web::{FieldFault, Problem, ProblemCode};

use crate::service::{CatalogError, access::AccessUnknown};

/// The one place that turns this service's errors into answers.
fn problem(error: CatalogError) -> Problem {
    match error {
        CatalogError::Invalid(faults) => {
            let faults = faults.into_iter();
            Problem::invalid(faults.map(|fault| FieldFault::new(fault.pointer, fault.code, fault.detail)).collect())
        }
        CatalogError::NotFound(what) => Problem::not_found(what),
        CatalogError::NameTaken(_) => Problem::new(ProblemCode::AlreadyExists),
        CatalogError::Outdated => Problem::new(ProblemCode::EtagMismatch),
        CatalogError::Conflict(detail) => Problem::with_detail(ProblemCode::Conflict, detail),
        CatalogError::Store(error) => store_problem(error),
        CatalogError::Sealing(error) => Problem::internal(error),
    }
}

impl From<AccessUnknown> for Problem {
    fn from(error: AccessUnknown) -> Self {
        Self::unavailable(error)
    }
}

fn store_problem(error: StoreError) -> Problem {
    if error.is_transient() { Problem::unavailable(error) } else { Problem::internal(error) }
}
