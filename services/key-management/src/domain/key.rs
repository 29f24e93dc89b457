//! A key as the platform knows it: everything but its secret.

use std::collections::BTreeSet;

use maas_keys::{KeyMac, PublicId};
use maas_types::{KeyId, TeamId, Timestamp, UserId};

use super::{
    labels::Labels,
    status::{KeyIsRevoked, ShownStatus, StoredStatus},
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub id: KeyId,
    /// 1 for a new key, one more with each change.
    pub version: u64,
    pub public_id: PublicId,
    pub secret_mac: KeyMac,
    pub pepper_version: u32,
    pub name: String,
    pub description: String,
    pub owner_id: UserId,
    pub team_id: Option<TeamId>,
    pub models: AllowedModels,
    pub labels: Labels,
    pub status: StoredStatus,
    pub expires_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// `None`: the platform itself.
    pub created_by: Option<UserId>,
    pub revoked_at: Option<Timestamp>,
    pub revoke_reason: Option<String>,
}

/// What a key's own list says; what its owner may use is decided elsewhere, for each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedModels {
    All,
    /// Public names; never empty.
    Listed(BTreeSet<String>),
}

/// A change of what people may edit; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyEdit {
    pub name: Option<String>,
    pub description: Option<String>,
    pub models: Option<AllowedModels>,
    pub labels: Option<Labels>,
}

/// A change of a key's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusChange {
    Block,
    Unblock,
    Revoke { reason: Option<String> },
}

impl Key {
    pub fn shown_status(&self, now: Timestamp) -> ShownStatus {
        self.status.shown(self.expires_at, now)
    }

    /// The key after the edit, with the next version; `None` when it changes nothing.
    pub fn edited(&self, edit: KeyEdit, now: Timestamp) -> Result<Option<Self>, KeyIsRevoked> {
        let status = self.status.change_other()?;
        let edited = Self {
            status,
            name: edit.name.unwrap_or_else(|| self.name.clone()),
            description: edit.description.unwrap_or_else(|| self.description.clone()),
            models: edit.models.unwrap_or_else(|| self.models.clone()),
            labels: edit.labels.unwrap_or_else(|| self.labels.clone()),
            ..self.clone()
        };
        Ok((edited != *self).then(|| edited.advanced(now)))
    }

    /// The key after the change, with the next version; `None` when it is in that state already.
    pub fn moved(&self, change: &StatusChange, now: Timestamp) -> Result<Option<Self>, KeyIsRevoked> {
        let status = match change {
            StatusChange::Block => self.status.block()?,
            StatusChange::Unblock => self.status.unblock()?,
            StatusChange::Revoke { .. } => self.status.revoke(),
        };
        if status == self.status {
            return Ok(None);
        }
        let mut moved = Self { status, ..self.clone() };
        if let StatusChange::Revoke { reason } = change {
            moved.revoked_at = Some(now);
            moved.revoke_reason = reason.clone();
        }
        Ok(Some(moved.advanced(now)))
    }

    fn advanced(self, now: Timestamp) -> Self {
        // A clock that went back must not make a key look older than its last change.
        let updated_at = now.max(self.updated_at);
        Self { version: self.version + 1, updated_at, ..self }
    }
}
