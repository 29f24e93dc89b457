//! Audit entries: past facts about who did what, from every service. Append-only.

use maas_types::{AuditId, Timestamp};
use serde_json::Value;
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActorKind {
    User,
    /// The platform itself, e.g. at its first start; or nobody known, at a refused sign-in.
    System,
}

impl ActorKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::System => "system",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::User, Self::System].into_iter().find(|kind| kind.as_str() == text)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditOutcome {
    Success,
    /// Refused: not allowed.
    Denied,
    /// Allowed, but it did not work.
    Failed,
}

impl AuditOutcome {
    pub const ALL: [Self; 3] = [Self::Success, Self::Denied, Self::Failed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    pub id: AuditId,
    pub time: Timestamp,
    pub service: String,
    pub actor_kind: ActorKind,
    /// A user's id; other kinds of actors may have none.
    pub actor_id: Option<Uuid>,
    pub actor_name: String,
    /// `<resource>.<verb>`, e.g. `key.revoke`.
    pub action: String,
    pub resource_kind: String,
    pub resource_id: String,
    pub outcome: AuditOutcome,
    /// The resource without its secrets.
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub request_id: String,
    pub address: String,
}

/// Which entries a reader wants; empty means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    pub service: Option<String>,
    pub actor_name: Option<String>,
    pub action: Option<String>,
    pub resource_kind: Option<String>,
    pub resource_id: Option<String>,
    pub actor_id: Option<Uuid>,
    pub outcome: Option<AuditOutcome>,
    /// Inclusive.
    pub from: Option<Timestamp>,
    /// Exclusive.
    pub to: Option<Timestamp>,
    /// Found in the names of actor, action or resource.
    pub text: Option<String>,
}
