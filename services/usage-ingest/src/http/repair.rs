//! What the operations of quarantine, corrections and reconciliation share.

use maas_types::input::{InputFault, check_text};
use maas_web::{FieldFault, Problem, ProblemCode};

use super::{choice::not_one_of, store_problem};
use crate::{
    domain::correction::InvalidCorrection,
    service::{
        correct::CorrectError,
        repair::{Repair, RepairError},
    },
};

/// What the handlers work with. A type of its own: in one process several services share an app.
#[derive(Clone)]
pub struct RepairState(pub Repair);

/// The longest reason that a person gives, in characters.
pub const MAX_REASON_CHARACTERS: usize = 500;

/// The one place that turns errors of repair into answers.
pub fn repair_problem(error: RepairError) -> Problem {
    match error {
        RepairError::NotFound(what) => Problem::not_found(what),
        RepairError::Invalid(faults) => invalid(faults),
        RepairError::DecidedOtherwise(_) | RepairError::NotBooked(_) => {
            Problem::with_detail(ProblemCode::Conflict, error.to_string())
        }
        RepairError::Correct(error) => correct_problem(error),
        RepairError::Store(error) => store_problem(error),
    }
}

fn correct_problem(error: CorrectError) -> Problem {
    match error {
        CorrectError::Invalid { reason, .. } => invalid(vec![fault_of(&reason)]),
        CorrectError::IdTaken(_) => Problem::with_detail(
            ProblemCode::Conflict,
            "another correction is booked under this id; send a new id or Idempotency-Key",
        ),
        CorrectError::DoesNotFit(_) | CorrectError::TooMany => {
            Problem::with_detail(ProblemCode::Conflict, error.to_string())
        }
        CorrectError::Store(error) => store_problem(error),
    }
}

fn fault_of(reason: &InvalidCorrection) -> InputFault {
    let (pointer, code) = match reason {
        InvalidCorrection::OutOfRange("cost_nanos") => ("/cost/amount".to_owned(), "out_of_range"),
        InvalidCorrection::OutOfRange(measure) => (format!("/{measure}"), "out_of_range"),
        InvalidCorrection::Zero => (String::new(), "empty"),
        InvalidCorrection::Text("reason") => ("/reason".to_owned(), "invalid_value"),
        InvalidCorrection::Text(field) => (format!("/usage/{field}"), "invalid_value"),
        InvalidCorrection::Time => ("/usage/time".to_owned(), "out_of_range"),
    };
    InputFault::new(pointer, code, reason.to_string())
}

pub fn invalid(faults: Vec<InputFault>) -> Problem {
    let faults = faults.into_iter().map(|fault| FieldFault::new(fault.pointer, fault.code, fault.detail));
    Problem::invalid(faults.collect())
}

/// A reason that has to be given.
pub fn check_reason(reason: &str, faults: &mut Vec<InputFault>) {
    if reason.trim().is_empty() {
        faults.push(InputFault::new("/reason", "empty", "must not be empty"));
    }
    check_text("/reason", reason, MAX_REASON_CHARACTERS, faults);
}

/// A text that chooses one of a few; None stays None.
pub fn chosen<T: Copy>(
    parameter: &str,
    text: Option<&str>,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<Option<T>, Problem> {
    let Some(text) = text else { return Ok(None) };
    match all.iter().find(|known| name(**known) == text) {
        Some(known) => Ok(Some(*known)),
        None => Err(not_one_of(parameter, all.iter().map(|known| name(*known)))),
    }
}

/// A name of a producer to filter by. What cannot be one is refused: Postgres would fail on a NUL.
pub fn source_filter(source: Option<String>) -> Result<Option<String>, Problem> {
    match source {
        Some(text) if text.chars().any(char::is_control) || text.len() > 200 => {
            let fault = InputFault::new("?source", "invalid_value", "at most 200 bytes, no control characters");
            Err(invalid(vec![fault]))
        }
        other => Ok(other),
    }
}
