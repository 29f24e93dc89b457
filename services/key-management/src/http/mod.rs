//! The wire: one file per operation, and what they share.

mod access_problem;
pub mod block_key;
mod body;
pub mod bulk_decide_subscriptions;
pub mod bulk_revoke_keys;
pub mod cancel_key_rotation;
pub mod cancel_subscription;
pub mod create_key;
pub mod create_plan;
pub mod create_subscription;
pub mod decide_subscription;
pub mod delete_plan;
mod expiry;
pub mod export_key_states;
pub mod export_plan_states;
pub mod export_subscription_states;
pub mod finish_key_rotation;
pub mod get_key;
pub mod get_key_pattern;
pub mod get_key_presets;
pub mod get_my_plan;
pub mod get_plan;
pub mod get_subscription;
mod idempotency;
pub mod list_keys;
pub mod list_plans;
pub mod list_revocations;
pub mod list_subscriptions;
pub mod override_subscription;
mod plan_view;
mod present;
pub mod report_leaked_key;
pub mod request_subscription_review;
pub mod resume_subscription;
pub mod revoke_key;
pub mod rotate_key;
mod subscription_change;
mod subscription_view;
pub mod suspend_subscription;
pub mod unblock_key;
pub mod update_key;
pub mod update_plan;

use actix_web::{HttpResponse, HttpResponseBuilder};
use maas_store::StoreError;
use maas_types::Timestamp;
use maas_types::input::InputFault;
use maas_web::{FieldFault, Problem, ProblemCode, etag};

use crate::{
    domain::key::Key,
    http::body::{KeyBody, StoppedKey},
    service::{KeyError, MAX_REASON, Stopped},
};

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Invalid(faults) => invalid(faults),
            KeyError::NotFound => Self::not_found("key"),
            KeyError::OwnerNotAllowed | KeyError::NotManaged => {
                Self::with_detail(ProblemCode::PermissionDenied, error.to_string())
            }
            KeyError::Refused(_) => Self::with_detail(ProblemCode::Conflict, error.to_string()),
            KeyError::Replayed(_) => Self::with_detail(ProblemCode::IdempotencyReplayed, error.to_string()),
            KeyError::VersionMismatch => Self::new(ProblemCode::EtagMismatch),
            KeyError::Contended | KeyError::NotCaughtUp(_) => Self::unavailable(error),
            KeyError::Random(_) | KeyError::Malformed(_) => Self::internal(error),
            KeyError::Store(error) => of_store(error),
        }
    }
}

fn of_store(error: StoreError) -> Problem {
    if error.is_transient() { Problem::unavailable(error) } else { Problem::internal(error) }
}

fn invalid(faults: Vec<InputFault>) -> Problem {
    let to_api = |fault: InputFault| FieldFault::new(fault.pointer, fault.code, fault.detail);
    Problem::invalid(faults.into_iter().map(to_api).collect())
}

/// One key with its entity tag.
fn answer(mut response: HttpResponseBuilder, key: &Key, now: Timestamp) -> HttpResponse {
    response.insert_header(etag::header(key.version)).json(KeyBody::to_api(key, now))
}

/// One key of which something ended, with its entity tag.
fn answer_stopped(stopped: Stopped, now: Timestamp) -> HttpResponse {
    let tag = etag::header(stopped.key.version);
    HttpResponse::Ok().insert_header(tag).json(StoppedKey::to_api(stopped, now))
}
