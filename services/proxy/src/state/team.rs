//! Whom the usage of a team's keys is booked to.

use maas_events::{
    state::TeamState,
    validate::{InvalidEvent, optional_uuid, required_uuid},
};
use maas_types::{OrganisationId, TeamId};

use super::sharded::Versioned;

#[derive(Debug)]
pub struct TeamEntry {
    pub id: TeamId,
    pub organisation: Option<OrganisationId>,
    pub cost_centre: Box<str>,
    version: u64,
}

impl TeamEntry {
    pub fn from_state(state: TeamState) -> Result<Self, InvalidEvent> {
        Ok(Self {
            id: TeamId::from_uuid(required_uuid("id", &state.id)?),
            organisation: optional_uuid("organisation_id", &state.organisation_id)?.map(OrganisationId::from_uuid),
            cost_centre: state.cost_centre.into_boxed_str(),
            version: state.version,
        })
    }
}

impl Versioned for TeamEntry {
    fn version(&self) -> u64 {
        self.version
    }

    /// What a deleted team's keys used is still booked to it.
    fn is_tombstone(&self) -> bool {
        false
    }
}
