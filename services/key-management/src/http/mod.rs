//! The wire: one file per operation, and what they share.

pub mod block_key;
mod body;
pub mod create_key;
pub mod export_key_states;
pub mod get_key;
mod idempotency;
pub mod list_keys;
mod present;
pub mod revoke_key;
pub mod unblock_key;
pub mod update_key;

use actix_web::{HttpResponse, HttpResponseBuilder};
use maas_store::StoreError;
use maas_types::Timestamp;
use maas_types::input::InputFault;
use maas_web::{Caller, FieldFault, Problem, ProblemCode, etag, middleware::RequestContext};

use crate::{
    domain::{
        actor::{Actor, ActorKind},
        key::Key,
    },
    http::body::KeyBody,
    service::KeyError,
};

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Invalid(faults) => invalid(faults),
            KeyError::NotFound => Self::not_found("key"),
            KeyError::OwnerNotAllowed => Self::with_detail(ProblemCode::PermissionDenied, error.to_string()),
            KeyError::Revoked(_) => Self::with_detail(ProblemCode::Conflict, error.to_string()),
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

fn actor(caller: Caller, context: RequestContext) -> Actor {
    Actor {
        kind: ActorKind::User { id: caller.user_id, name: caller.user_name },
        request_id: context.request_id,
        address: context.client_address,
    }
}

/// One key with its entity tag.
fn answer(mut response: HttpResponseBuilder, key: &Key, now: Timestamp) -> HttpResponse {
    response.insert_header(etag::header(key.version)).json(KeyBody::to_api(key, now))
}
