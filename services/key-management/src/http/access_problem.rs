//! What a client is told when an operation on plans or subscriptions is not carried out.

use maas_web::{Problem, ProblemCode};

use super::{invalid, of_store};
use crate::service::access_error::AccessError;

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Invalid(faults) => invalid(faults),
            AccessError::NotFound(what) => Self::not_found(what),
            AccessError::NotManaged => Self::with_detail(ProblemCode::PermissionDenied, error.to_string()),
            AccessError::RefusedTransition(_) | AccessError::RefusedPlanChange(_) => {
                Self::with_detail(ProblemCode::Conflict, error.to_string())
            }
            AccessError::SubscriptionExists { .. } | AccessError::PlanTaken(_) => {
                Self::with_detail(ProblemCode::AlreadyExists, error.to_string())
            }
            AccessError::SubscriptionReplayed(_) | AccessError::PlanReplayed(_) => {
                Self::with_detail(ProblemCode::IdempotencyReplayed, error.to_string())
            }
            AccessError::VersionMismatch => Self::new(ProblemCode::EtagMismatch),
            AccessError::Contended | AccessError::NotCaughtUp(_) => Self::unavailable(error),
            AccessError::Store(error) => of_store(error),
        }
    }
}
