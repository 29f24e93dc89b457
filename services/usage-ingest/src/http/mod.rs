//! The public operations, one file each, and what they share.

pub mod get_key_usage;
pub mod get_usage_summary;
pub mod list_usage_requests;

use maas_store::StoreError;
use maas_web::{FieldFault, Problem, problem::ProblemCode};

/// A database error as an answer: try again where that can help.
fn store_problem(error: StoreError) -> Problem {
    if error.is_transient() { Problem::unavailable(error) } else { Problem::internal(error) }
}

/// 400 for one query parameter.
fn invalid_parameter(name: &str, code: &str, detail: impl Into<String>) -> Problem {
    let fault = FieldFault::new(format!("?{name}"), code, detail);
    Problem { faults: vec![fault], ..Problem::new(ProblemCode::InvalidInput) }
}

/// The longest name that a model can have, in characters.
const MAX_MODEL_CHARACTERS: usize = 255;

/// A model's name to filter by. What cannot be one is refused here: Postgres would fail on a NUL.
fn model_filter(model: Option<String>) -> Result<Option<String>, Problem> {
    let unusable = |name: &String| name.chars().any(char::is_control) || name.chars().count() > MAX_MODEL_CHARACTERS;
    if model.as_ref().is_some_and(unusable) {
        let detail = format!("at most {MAX_MODEL_CHARACTERS} characters, no control characters");
        return Err(invalid_parameter("model", "invalid_value", detail));
    }
    Ok(model)
}
