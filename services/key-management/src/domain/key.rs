//! A key as the platform knows it: everything but its secret.

use std::collections::BTreeSet;

use maas_keys::PublicId;
use maas_types::{Cidr, KeyId, Operation, TeamId, Timestamp, UserId};

use super::{
    labels::Labels,
    owner::OwnerKind,
    secret::{PreviousSecret, StoredSecret},
    status::{RefusedMove, ShownStatus, StoredStatus},
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub id: KeyId,
    /// 1 for a new key, one more with each change.
    pub version: u64,
    /// Stays the same through rotations.
    pub public_id: PublicId,
    pub secret: StoredSecret,
    /// Of the last rotation; kept past its end, when it proves nothing any more.
    pub previous: Option<PreviousSecret>,
    pub name: String,
    pub description: String,
    pub owner_id: UserId,
    pub owner_kind: OwnerKind,
    pub team_id: Option<TeamId>,
    pub models: AllowedModels,
    /// `None`: from everywhere. Never empty.
    pub networks: Option<Vec<Cidr>>,
    /// `None`: for everything. Never empty.
    pub operations: Option<BTreeSet<Operation>>,
    pub labels: Labels,
    pub status: StoredStatus,
    pub expires_at: Option<Timestamp>,
    /// Lives for an hour at most, and is forgotten some time after its end.
    pub ephemeral: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// `None`: the platform itself.
    pub created_by: Option<UserId>,
    pub revoked_at: Option<Timestamp>,
    pub revoke_reason: Option<String>,
    /// As the proxies told it; no part of the versions.
    pub last_use: Option<LastUse>,
}

/// What a key's own list says; what its owner may use is decided elsewhere, for each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedModels {
    All,
    /// Public names; never empty.
    Listed(BTreeSet<String>),
}

/// The last use that was told, to the minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    pub at: Timestamp,
    pub address: Option<String>,
}

/// A change of what people may edit; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyEdit {
    pub name: Option<String>,
    pub description: Option<String>,
    pub models: Option<AllowedModels>,
    pub labels: Option<Labels>,
    pub networks: Option<Option<Vec<Cidr>>>,
    pub operations: Option<Option<BTreeSet<Operation>>>,
    pub team_id: Option<Option<TeamId>>,
    pub expires_at: Option<Option<Timestamp>>,
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
        let overlap_ends = self.previous.as_ref().map(|previous| previous.valid_until);
        self.status.shown(self.expires_at, overlap_ends, now)
    }

    /// The key after the edit, with the next version; `None` when it changes nothing.
    pub fn edited(&self, edit: KeyEdit, now: Timestamp) -> Result<Option<Self>, RefusedMove> {
        let status = self.status.change_other()?;
        let edited = Self {
            status,
            name: edit.name.unwrap_or_else(|| self.name.clone()),
            description: edit.description.unwrap_or_else(|| self.description.clone()),
            models: edit.models.unwrap_or_else(|| self.models.clone()),
            labels: edit.labels.unwrap_or_else(|| self.labels.clone()),
            networks: edit.networks.unwrap_or_else(|| self.networks.clone()),
            operations: edit.operations.unwrap_or_else(|| self.operations.clone()),
            team_id: edit.team_id.unwrap_or(self.team_id),
            expires_at: edit.expires_at.unwrap_or(self.expires_at),
            ..self.clone()
        };
        Ok((edited != *self).then(|| edited.advanced(now)))
    }

    /// The key after the change, with the next version; `None` when it is in that state already.
    pub fn moved(&self, change: &StatusChange, now: Timestamp) -> Result<Option<Self>, RefusedMove> {
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

    /// Whether the answer waits for the proxies to follow: something that worked before this key's last change does not
    /// work after it, or a secret is new, which a proxy that has not heard of it would refuse.
    pub fn waits_for_proxies(&self, before: &Self, now: Timestamp) -> bool {
        let stopped = self.status != before.status && self.status != StoredStatus::Active;
        stopped
            || self.secret != before.secret
            || before.working_secrets(now).any(|secret| !self.working_secrets(now).any(|kept| kept == secret))
    }

    pub(super) fn advanced(self, now: Timestamp) -> Self {
        // A clock that went back must not make a key look older than its last change.
        let updated_at = now.max(self.updated_at);
        Self { version: self.version + 1, updated_at, ..self }
    }
}
