//! What a key may do, as the proxy holds it.

use std::collections::HashSet;

use maas_events::{state::KeyState, validate::optional_uuid};
use maas_keys::{KeyMac, PublicId};
use maas_types::{KeyId, TeamId, Timestamp, UserId};

use super::sharded::Versioned;

/// One API key. Holds no secret: only the MAC that proves one.
#[derive(Debug)]
pub struct KeyGrant {
    pub id: KeyId,
    pub public_id: PublicId,
    pub mac: KeyMac,
    pub pepper_version: u32,
    pub owner: UserId,
    pub team: Option<TeamId>,
    /// `None`: all models that the owner may use.
    pub models: Option<HashSet<Box<str>>>,
    pub labels: Vec<(String, String)>,
    pub name: Box<str>,
    pub expires_at: Option<Timestamp>,
    pub changed_at: Timestamp,
    status: Status,
    version: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Active,
    Blocked,
    Revoked,
    Deleted,
}

/// What a key is worth right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStanding {
    Active,
    Blocked,
    Expired,
    Revoked,
}

#[derive(Debug, thiserror::Error)]
#[error("the state of a key is not understood: {0}")]
pub struct InvalidKeyState(&'static str);

impl KeyGrant {
    pub fn standing(&self, now: Timestamp) -> KeyStanding {
        match self.status {
            Status::Revoked | Status::Deleted => KeyStanding::Revoked,
            Status::Blocked => KeyStanding::Blocked,
            Status::Active if self.expires_at.is_some_and(|end| end <= now) => KeyStanding::Expired,
            Status::Active => KeyStanding::Active,
        }
    }

    pub fn is_revoked(&self) -> bool {
        self.status == Status::Revoked
    }

    /// Whether the key's own list lets this model through.
    pub fn lists(&self, model: &str) -> bool {
        self.models.as_ref().is_none_or(|models| models.contains(model))
    }

    pub fn from_state(state: KeyState) -> Result<Self, InvalidKeyState> {
        use maas_events::state::KeyStatus;
        let id = maas_events::validate::required_uuid("id", &state.id).map_err(|_| InvalidKeyState("id"))?;
        let owner = optional_uuid("owner_id", &state.owner_id).map_err(|_| InvalidKeyState("owner_id"))?;
        let team = optional_uuid("team_id", &state.team_id).map_err(|_| InvalidKeyState("team_id"))?;
        let status = match KeyStatus::try_from(state.status) {
            _ if state.deleted => Status::Deleted,
            Ok(KeyStatus::Active) => Status::Active,
            Ok(KeyStatus::Blocked) => Status::Blocked,
            Ok(KeyStatus::Revoked) => Status::Revoked,
            Ok(KeyStatus::Unspecified) | Err(_) => return Err(InvalidKeyState("status")),
        };
        Ok(Self {
            id: KeyId::from_uuid(id),
            public_id: state.public_id.parse().map_err(|_| InvalidKeyState("public_id"))?,
            mac: state.secret_mac.as_ref().try_into().map_err(|_| InvalidKeyState("secret_mac"))?,
            pepper_version: state.pepper_version,
            owner: UserId::from_uuid(owner.ok_or(InvalidKeyState("owner_id"))?),
            team: team.map(TeamId::from_uuid),
            models: (!state.all_models).then(|| state.models.into_iter().map(String::into_boxed_str).collect()),
            labels: state.labels.into_iter().collect(),
            name: state.name.into_boxed_str(),
            expires_at: (state.expires_at_ms != 0).then(|| Timestamp::from_unix_ms(state.expires_at_ms)),
            changed_at: Timestamp::from_unix_ms(state.changed_at_ms),
            status,
            version: state.version,
        })
    }
}

impl Versioned for KeyGrant {
    fn version(&self) -> u64 {
        self.version
    }

    /// A revoked key stays visible, so that its holder is told what happened.
    fn is_tombstone(&self) -> bool {
        self.status == Status::Deleted
    }
}
