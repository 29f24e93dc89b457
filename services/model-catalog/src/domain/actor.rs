//! Who makes a change, as the audit record tells it.

use maas_types::UserId;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub kind: ActorKind,
    pub request_id: String,
    pub address: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActorKind {
    User {
        id: UserId,
        name: String,
    },
    /// The platform itself: a discovery source.
    System {
        name: String,
    },
}

impl Actor {
    pub fn source(name: &str) -> Self {
        let kind = ActorKind::System { name: format!("source {name}") };
        Self { kind, request_id: String::new(), address: String::new() }
    }

    pub fn user_id(&self) -> Option<UserId> {
        match &self.kind {
            ActorKind::User { id, .. } => Some(*id),
            ActorKind::System { .. } => None,
        }
    }
}
