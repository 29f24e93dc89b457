//! Audit entries on the wire.

use maas_types::{AuditId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::domain::audit::{ActorKind, AuditEntry, AuditOutcome};

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AuditOutcome)]
pub enum OutcomeView {
    Success,
    /// Refused: not allowed.
    Denied,
    /// Allowed, but it did not work.
    Failed,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AuditActorKind)]
pub enum ActorKindView {
    User,
    /// The platform itself, or nobody known.
    System,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditEntryView {
    pub id: AuditId,
    pub time: Timestamp,
    #[schema(example = "key-management")]
    pub service: String,
    pub actor_kind: ActorKindView,
    pub actor_id: Option<UserId>,
    #[schema(example = "ada")]
    pub actor_name: String,
    #[schema(example = "key.revoke")]
    pub action: String,
    #[schema(example = "key")]
    pub resource_kind: String,
    #[schema(example = "key_019a9c3b5f0e7c42a1d38b6f0c9e4a57")]
    pub resource_id: String,
    pub outcome: OutcomeView,
    /// The resource before, without secrets.
    #[schema(example = json!({"status": "active"}))]
    pub before: Option<Value>,
    /// The resource after, without secrets.
    #[schema(example = json!({"status": "revoked"}))]
    pub after: Option<Value>,
    #[schema(example = "req_019a9c3b5f0e7c42a1d38b6f0c9e4a57")]
    pub request_id: String,
    #[schema(example = "192.0.2.17")]
    pub address: String,
}

impl From<OutcomeView> for AuditOutcome {
    fn from(view: OutcomeView) -> Self {
        match view {
            OutcomeView::Success => Self::Success,
            OutcomeView::Denied => Self::Denied,
            OutcomeView::Failed => Self::Failed,
        }
    }
}

pub fn view(entry: AuditEntry) -> AuditEntryView {
    AuditEntryView {
        id: entry.id,
        time: entry.time,
        service: entry.service,
        actor_kind: match entry.actor_kind {
            ActorKind::User => ActorKindView::User,
            ActorKind::System => ActorKindView::System,
        },
        actor_id: entry.actor_id.map(UserId::from_uuid),
        actor_name: entry.actor_name,
        action: entry.action,
        resource_kind: entry.resource_kind,
        resource_id: entry.resource_id,
        outcome: match entry.outcome {
            AuditOutcome::Success => OutcomeView::Success,
            AuditOutcome::Denied => OutcomeView::Denied,
            AuditOutcome::Failed => OutcomeView::Failed,
        },
        before: entry.before,
        after: entry.after,
        request_id: entry.request_id,
        address: entry.address,
    }
}
