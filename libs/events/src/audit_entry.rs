//! Who did what: how a service writes its audit records.
//!
//! Guarantee: the record is a [`Delivery`] for the outbox, so that it commits with the change that it tells of, or not at
//! all. It holds no secret: `before` and `after` are made by the service, of what people may see.

use bytes::Bytes;
use maas_types::{AuditId, Timestamp, UserId};
use prost::Message as _;
use serde_json::Value;

use crate::{Delivery, audit::AuditRecord, topic::AUDIT_SUBJECT};

/// Who makes a change, and with which request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub kind: ActorKind,
    pub request_id: String,
    pub address: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActorKind {
    /// A person or a service account.
    User { id: UserId, name: String },
    /// The platform itself, or nobody known: a first start, a discovery source, a refused sign-in.
    System { name: String },
}

impl Actor {
    /// A part of the platform, outside any request.
    pub fn system(name: impl Into<String>) -> Self {
        Self { kind: ActorKind::System { name: name.into() }, request_id: String::new(), address: String::new() }
    }

    pub fn user_id(&self) -> Option<UserId> {
        match &self.kind {
            ActorKind::User { id, .. } => Some(*id),
            ActorKind::System { .. } => None,
        }
    }

    pub fn name(&self) -> &str {
        match &self.kind {
            ActorKind::User { name, .. } | ActorKind::System { name } => name,
        }
    }
}

impl ActorKind {
    /// As records say it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::User { .. } => "user",
            Self::System { .. } => "system",
        }
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

/// An action as a past fact.
#[derive(Debug)]
pub struct AuditEntry<'a> {
    pub service: &'static str,
    pub actor: &'a Actor,
    /// `<resource>.<verb>`, e.g. `key.revoke`.
    pub action: &'a str,
    pub resource_kind: &'a str,
    /// Empty when there is none, as in a refused creation.
    pub resource_id: String,
    pub outcome: AuditOutcome,
    /// The resource without its secrets.
    pub before: Option<Value>,
    pub after: Option<Value>,
}

impl AuditEntry<'_> {
    pub fn to_delivery(&self, now: Timestamp) -> Delivery {
        let id = AuditId::new_at(now);
        let json = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
        let record = AuditRecord {
            id: bytes_of(id.uuid().as_bytes()),
            time_ms: now.unix_ms(),
            service: self.service.to_owned(),
            actor_kind: self.actor.kind.as_str().to_owned(),
            actor_id: self.actor.user_id().map_or_else(Bytes::new, |id| bytes_of(id.uuid().as_bytes())),
            actor_name: self.actor.name().to_owned(),
            action: self.action.to_owned(),
            resource_kind: self.resource_kind.to_owned(),
            resource_id: self.resource_id.clone(),
            outcome: self.outcome.as_str().to_owned(),
            before_json: json(&self.before),
            after_json: json(&self.after),
            request_id: self.actor.request_id.clone(),
            address: self.actor.address.clone(),
        };
        Delivery::Message {
            subject: AUDIT_SUBJECT.to_owned(),
            id: id.uuid().simple().to_string(),
            headers: Vec::new(),
            payload: record.encode_to_vec().into(),
        }
    }
}

fn bytes_of(id: &[u8; 16]) -> Bytes {
    Bytes::copy_from_slice(id)
}
