//! The public operations, one file each, and what they share.

mod choice;
mod correction;
mod correction_body;
pub mod create_usage_correction;
mod export_body;
pub mod export_usage;
mod figures;
pub mod get_key_usage;
pub mod get_quarantine_entry;
pub mod get_usage_breakdown;
pub mod get_usage_chargeback;
pub mod get_usage_filters;
pub mod get_usage_reconciliation;
pub mod get_usage_summary;
pub mod get_usage_timeseries;
pub mod list_quarantine;
pub mod list_usage_corrections;
pub mod list_usage_requests;
mod quarantine_entry;
mod reconciliation;
pub mod reject_quarantine_entry;
pub mod repair;
pub mod replay_quarantine;
pub mod replay_quarantine_entry;
mod usage_query;

use maas_store::StoreError;
use maas_types::UserId;
use maas_web::{FieldFault, Problem, problem::ProblemCode};

use crate::{
    app::UsageState,
    domain::period::PeriodError,
    service::{
        analytics::{AskError, Ledger},
        export::{BrokenOff, ExportError, ExportSnapshot},
    },
};

/// The ledger as it is asked now.
async fn ledger(state: &UsageState) -> Result<Ledger, Problem> {
    Ledger::open(&state.database, state.currency, state.clock.now()).await.map_err(store_problem)
}

/// A database error as an answer: try again where that can help.
fn store_problem(error: StoreError) -> Problem {
    if error.is_transient() { Problem::unavailable(error) } else { Problem::internal(error) }
}

/// What cannot be answered: the question asks for too much, or for what is no longer held.
fn ask_problem(error: AskError) -> Problem {
    let (parameter, code) = match &error {
        AskError::Store(_) => ("", ""),
        AskError::NotHeld(_) => ("from", "not_held"),
        AskError::TooManyPoints(_) => ("interval", "too_many_points"),
        AskError::TooManyGroups(_) => ("sort", "too_many_groups"),
        AskError::DaysOnly => ("interval", "days_only"),
    };
    match error {
        AskError::Store(error) => store_problem(error),
        refused => invalid_parameter(parameter, code, refused.to_string()),
    }
}

/// A moment of the ledger for an export of the caller; 429: the caller waits for their own exports to end.
async fn begin_export(state: &UsageState, user: UserId) -> Result<ExportSnapshot, Problem> {
    let begun = state.exports.begin(user, state.currency, state.clock.now()).await;
    begun.map_err(|error| match error {
        ExportError::NoSlot(error) => error.into(),
        ExportError::Store(error) => store_problem(error),
    })
}

/// An export that broke off before anything was sent.
fn broken_off_problem(error: BrokenOff) -> Problem {
    match error {
        BrokenOff::Store(error) => store_problem(error),
        BrokenOff::NotTaken => Problem::unavailable(error),
    }
}

fn period_problem(error: PeriodError) -> Problem {
    let code = match error {
        PeriodError::Empty => "empty_range",
        PeriodError::TooLong => "range_too_long",
    };
    invalid_parameter("from", code, error.to_string())
}

/// 400 for one query parameter.
fn invalid_parameter(name: &str, code: &str, detail: impl Into<String>) -> Problem {
    let fault = FieldFault::new(format!("?{name}"), code, detail);
    Problem { faults: vec![fault], ..Problem::new(ProblemCode::InvalidInput) }
}
