//! One file per operation: request, response, refusals, documentation, handler.

pub mod add_team_member;
mod audit_file;
mod audit_query;
mod audit_view;
pub mod begin_sign_in;
pub mod change_password;
pub mod create_group_mapping;
pub mod create_organisation;
pub mod create_service_account;
pub mod create_team;
pub mod create_token;
pub mod create_user;
pub mod delete_group_mapping;
pub mod delete_organisation;
pub mod delete_service_account;
pub mod delete_team;
pub mod delete_user;
mod directory;
pub mod end_other_sessions;
pub mod end_session;
pub mod end_user_sessions;
pub mod export_audit;
mod export_states;
pub mod export_team_states;
pub mod export_user_states;
pub mod finish_sign_in;
pub mod get_audit_chain;
pub mod get_config;
pub mod get_group_mapping;
pub mod get_me;
pub mod get_organisation;
pub mod get_service_account;
pub mod get_signing_keys;
pub mod get_team;
pub mod get_token_keys;
pub mod get_user;
mod group_mapping_view;
pub mod invite_user;
pub mod list_audit;
pub mod list_group_mappings;
pub mod list_organisations;
pub mod list_revocations;
pub mod list_service_accounts;
pub mod list_sessions;
pub mod list_team_members;
pub mod list_teams;
pub mod list_users;
mod organisation_view;
pub mod remove_team_member;
pub mod reset_password;
pub mod resolve_caller;
pub mod revoke_token;
pub mod revoke_tokens;
pub mod rotate_signing_keys;
pub mod sign_in;
mod sign_in_page;
pub mod sign_out;
mod team_view;
mod token_holder;
pub mod update_group_mapping;
pub mod update_organisation;
pub mod update_service_account;
pub mod update_team;
pub mod update_team_member;
pub mod update_user;
mod user_view;

use maas_store::StoreError;
use maas_types::{Cursor, PageLimit};
use maas_web::attempts::TooManyAttempts;
use maas_web::{Caller, FieldFault, Problem, ProblemCode, Via, middleware::RequestContext};
use serde::Serialize;

use crate::{
    domain::name::{NameFault, check_name},
    service::{initiator::Initiator, password_pool::PasswordPoolError, users::UserError},
};

/// Filters with free text are at most this long.
const MAX_FILTER_CHARACTERS: usize = 255;

fn initiator(caller: &Caller, context: RequestContext) -> Initiator {
    Initiator {
        user_id: Some(caller.user_id),
        user_name: caller.user_name.clone(),
        request_id: context.request_id,
        address: context.client_address,
    }
}

fn session_of(caller: &Caller) -> Option<maas_types::SessionId> {
    match caller.via {
        Via::Session(id) => Some(id),
        Via::Token(_) | Via::InferenceToken(_) => None,
    }
}

/// The rows of this page, and the cursor of the next one if more rows came than a page has.
fn page<T, P: Serialize>(mut rows: Vec<T>, limit: PageLimit, position: impl Fn(&T) -> P) -> (Vec<T>, Option<String>) {
    let size = usize::try_from(limit.get()).unwrap_or(usize::MAX);
    if rows.len() <= size {
        return (rows, None);
    }
    rows.truncate(size);
    let next = rows.last().map(|last| Cursor::encode(&position(last)).into_string());
    (rows, next)
}

fn check_filter(name: &str, text: Option<&String>) -> Option<FieldFault> {
    let (text, pointer) = (text?, format!("?{name}"));
    if text.chars().count() > MAX_FILTER_CHARACTERS {
        let detail = format!("must have at most {MAX_FILTER_CHARACTERS} characters");
        return Some(FieldFault::new(pointer, "too_long", detail));
    }
    // PostgreSQL refuses a NUL in a text, and what is searched holds no control characters.
    let has_control = text.chars().any(char::is_control);
    has_control.then(|| FieldFault::new(pointer, "invalid_characters", "must not hold control characters"))
}

fn name_fault(pointer: &str, name: Option<&String>) -> Option<FieldFault> {
    let fault: NameFault = check_name(name?).err()?;
    Some(FieldFault::new(pointer, fault.code(), fault.to_string()))
}

fn no_faults(faults: impl IntoIterator<Item = FieldFault>) -> Result<(), Problem> {
    let faults: Vec<FieldFault> = faults.into_iter().collect();
    if faults.is_empty() { Ok(()) } else { Err(Problem::invalid(faults)) }
}

fn store_problem(error: StoreError) -> Problem {
    if error.is_transient() { Problem::unavailable(error) } else { Problem::internal(error) }
}

fn pool_problem(error: PasswordPoolError) -> Problem {
    match error {
        PasswordPoolError::Busy => Problem::unavailable(error),
        PasswordPoolError::Hash(_) | PasswordPoolError::Interrupted(_) => Problem::internal(error),
    }
}

fn attempts_problem(error: TooManyAttempts) -> Problem {
    let seconds = error.retry_after.as_secs() + u64::from(error.retry_after.subsec_nanos() > 0);
    Problem::new(ProblemCode::TooManyAttempts).retry_after(u32::try_from(seconds).unwrap_or(u32::MAX).max(1))
}

impl From<UserError> for Problem {
    fn from(error: UserError) -> Self {
        match error {
            UserError::NotFound => Self::not_found("user"),
            UserError::NameTaken => Self::new(ProblemCode::AlreadyExists),
            UserError::VersionMoved => Self::new(ProblemCode::EtagMismatch),
            UserError::NotInTeam => {
                Self::invalid(vec![FieldFault::new("/default_team_id", "not_in_team", error.to_string())])
            }
            UserError::LastAdmin(_)
            | UserError::NoPassword
            | UserError::ServiceAccountRole
            | UserError::ChangedMeanwhile => Self::with_detail(ProblemCode::Conflict, error.to_string()),
            UserError::Password(error) => pool_problem(error),
            UserError::Random(error) => Self::internal(error),
            UserError::Store(error) => store_problem(error),
        }
    }
}
