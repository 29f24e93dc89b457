//! Who asked for an action, for its audit entry.

use maas_types::{AuditId, Timestamp, UserId};
use serde_json::{Value, json};

use crate::domain::{
    audit::{ActorKind, AuditEntry, AuditOutcome},
    user::User,
};

const SERVICE: &str = "auth";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initiator {
    /// None: the platform itself, or somebody unknown.
    pub user_id: Option<UserId>,
    pub user_name: String,
    pub request_id: String,
    pub address: String,
}

impl Initiator {
    /// The platform itself, outside any request.
    pub fn system() -> Self {
        Self { user_id: None, user_name: "system".to_owned(), request_id: String::new(), address: String::new() }
    }

    /// What `user` does themselves, with the request that this initiator knows.
    pub fn acting_as(&self, user: &User) -> Self {
        Self { user_id: Some(user.id), user_name: user.user_name.clone(), ..self.clone() }
    }

    /// An entry without before and after.
    pub fn entry(&self, action: &str, resource: (&str, String), outcome: AuditOutcome, now: Timestamp) -> AuditEntry {
        AuditEntry {
            id: AuditId::new_at(now),
            time: now,
            service: SERVICE.to_owned(),
            actor_kind: if self.user_id.is_some() { ActorKind::User } else { ActorKind::System },
            actor_id: self.user_id.map(UserId::uuid),
            actor_name: self.user_name.clone(),
            action: action.to_owned(),
            resource_kind: resource.0.to_owned(),
            resource_id: resource.1,
            outcome,
            before: None,
            after: None,
            request_id: self.request_id.clone(),
            address: self.address.clone(),
        }
    }

    /// A change of a user that worked.
    pub fn user_entry(&self, action: &str, (before, after): (Option<&User>, &User), now: Timestamp) -> AuditEntry {
        AuditEntry {
            before: before.map(audited),
            after: Some(audited(after)),
            ..self.entry(action, ("user", after.id.to_string()), AuditOutcome::Success, now)
        }
    }
}

/// A user as audit entries show them.
fn audited(user: &User) -> Value {
    json!({
        "user_name": user.user_name,
        "display_name": user.display_name,
        "issuer": user.issuer,
        "role": user.role,
        "status": user.status.as_str(),
        "must_change_password": user.must_change_password,
        "version": user.version,
    })
}
