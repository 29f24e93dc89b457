//! Why an operation on plans or subscriptions was not carried out.

use maas_store::StoreError;
use maas_types::{PlanId, SubscriptionId, input::InputFault};

use crate::domain::{
    plan::RefusedPlanChange,
    subscription::{RefusedTransition, SubscriptionStatus},
};

#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    #[error("the input has {} fault(s)", .0.len())]
    Invalid(Vec<InputFault>),
    /// Also when it is somebody else's.
    #[error("no such {0}")]
    NotFound(&'static str),
    #[error("for a team its owners act, for other people only admins")]
    NotManaged,
    #[error(transparent)]
    RefusedTransition(#[from] RefusedTransition),
    #[error(transparent)]
    RefusedPlanChange(#[from] RefusedPlanChange),
    /// There is one subscription for each pair, and this one has not ended.
    #[error("{id} is there already and {}", .status.as_str())]
    SubscriptionExists { id: SubscriptionId, status: SubscriptionStatus },
    #[error("another plan has this {0}")]
    PlanTaken(&'static str),
    #[error("it was changed since it was read")]
    VersionMismatch,
    /// Others changed it again and again at the same moment.
    #[error("it is being changed by others")]
    Contended,
    #[error("{0} was created by an earlier request with this Idempotency-Key")]
    SubscriptionReplayed(SubscriptionId),
    #[error("{0} was created by an earlier request with this Idempotency-Key")]
    PlanReplayed(PlanId),
    /// What is known of models, users or teams is not complete yet.
    #[error("the {0} are not known yet")]
    NotCaughtUp(&'static str),
    #[error(transparent)]
    Store(#[from] StoreError),
}
