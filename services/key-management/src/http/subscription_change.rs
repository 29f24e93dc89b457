//! What the operations that change one subscription share: a step with its reason, and how it is carried out.

use actix_web::HttpResponse;
use maas_types::SubscriptionId;
use maas_web::{Permission, Problem, Require, middleware::RequestContext};

use super::{
    invalid,
    subscription_view::{answer_subscription, check_reason, require_reason},
};
use crate::{
    domain::subscription::SubscriptionMove,
    service::{
        KeyService,
        access::{SubscriptionChange, SubscriptionTarget},
    },
};

/// A step whose reason may be empty.
pub fn step(step: SubscriptionMove, reason: String) -> Result<SubscriptionChange, Problem> {
    let mut faults = Vec::new();
    check_reason(&reason, &mut faults);
    if faults.is_empty() { Ok(SubscriptionChange { step, reason, expires_at: None }) } else { Err(invalid(faults)) }
}

/// A step that the subscriber is told the reason of.
pub fn explained_step(step: SubscriptionMove, reason: String) -> Result<SubscriptionChange, Problem> {
    let mut faults = Vec::new();
    require_reason(&reason, &mut faults);
    if faults.is_empty() { Ok(SubscriptionChange { step, reason, expires_at: None }) } else { Err(invalid(faults)) }
}

/// Changes the subscription, if the caller may see it and nobody was faster, and answers with what it is then.
pub async fn carry_out<P: Permission>(
    service: &KeyService,
    require: Require<P>,
    context: RequestContext,
    (id, seen_version): (SubscriptionId, Option<u64>),
    change: &SubscriptionChange,
) -> Result<HttpResponse, Problem> {
    let scope = service.subscription_scope(&require.caller, require.scope);
    let target = SubscriptionTarget { id, scope: &scope, seen_version };
    let subscription = service.change_subscription(target, change, &context.actor(&require.caller)).await?;
    Ok(answer_subscription(HttpResponse::Ok(), &subscription, service.clock.now()))
}
