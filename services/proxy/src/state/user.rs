//! What the proxy needs to know of a key's owner.

use maas_events::{
    state::{UserState, UserStatus},
    validate::{InvalidEvent, optional_uuid, required_uuid},
};
use maas_types::{OrganisationId, TeamId, UserId};

use super::sharded::Versioned;

#[derive(Debug)]
pub struct UserEntry {
    pub id: UserId,
    pub is_active: bool,
    pub default_team: Option<TeamId>,
    pub organisation: Option<OrganisationId>,
    pub cost_centre: Box<str>,
    deleted: bool,
    version: u64,
}

impl UserEntry {
    pub fn from_state(state: UserState) -> Result<Self, InvalidEvent> {
        Ok(Self {
            id: UserId::from_uuid(required_uuid("id", &state.id)?),
            is_active: UserStatus::try_from(state.status) == Ok(UserStatus::Active),
            default_team: optional_uuid("default_team_id", &state.default_team_id)?.map(TeamId::from_uuid),
            organisation: optional_uuid("organisation_id", &state.organisation_id)?.map(OrganisationId::from_uuid),
            cost_centre: state.cost_centre.into_boxed_str(),
            deleted: state.deleted,
            version: state.version,
        })
    }
}

impl Versioned for UserEntry {
    fn version(&self) -> u64 {
        self.version
    }

    /// A deleted person stays, as one who is not active: their keys are known and refused.
    fn is_tombstone(&self) -> bool {
        false
    }
}

impl UserEntry {
    /// Whether the keys of this person work.
    pub fn may_call(&self) -> bool {
        self.is_active && !self.deleted
    }
}
