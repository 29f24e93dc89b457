//! What the proxy needs to know of a key's owner.

use maas_events::{
    state::{RevokedToken, TeamMembership, UserState, UserStatus},
    validate::{InvalidEvent, optional_uuid, required_uuid},
};
use maas_types::{OrganisationId, TeamId, TeamRole, Timestamp, TokenId, UserId};

use super::sharded::Versioned;

#[derive(Debug)]
pub struct UserEntry {
    pub id: UserId,
    pub is_active: bool,
    pub default_team: Option<TeamId>,
    pub organisation: Option<OrganisationId>,
    pub cost_centre: Box<str>,
    pub groups: Box<[Box<str>]>,
    /// The teams whose keys this person may have.
    teams: Box<[TeamId]>,
    tokens_valid_from: Timestamp,
    /// Withdrawn one by one.
    revoked_tokens: Box<[TokenId]>,
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
            groups: state.groups.into_iter().map(String::into_boxed_str).collect(),
            teams: usable_teams(&state.teams)?,
            tokens_valid_from: Timestamp::from_unix_ms(state.tokens_valid_from_ms),
            revoked_tokens: revoked_tokens(&state.revoked_tokens)?,
            deleted: state.deleted,
            version: state.version,
        })
    }
}

/// Of a role that this version does not know, nothing follows.
fn usable_teams(memberships: &[TeamMembership]) -> Result<Box<[TeamId]>, InvalidEvent> {
    let usable =
        memberships.iter().filter(|membership| TeamRole::parse(&membership.role).is_some_and(TeamRole::may_use));
    usable.map(|membership| Ok(TeamId::from_uuid(required_uuid("teams.team_id", &membership.team_id)?))).collect()
}

fn revoked_tokens(revoked: &[RevokedToken]) -> Result<Box<[TokenId]>, InvalidEvent> {
    let ids = revoked.iter().map(|token| required_uuid("revoked_tokens.token_id", &token.token_id));
    ids.map(|id| id.map(TokenId::from_uuid)).collect()
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

    /// Whether a verified token of this person was not withdrawn.
    pub fn accepts_token(&self, id: TokenId, issued_at: Timestamp) -> bool {
        issued_at >= self.tokens_valid_from && !self.revoked_tokens.contains(&id)
    }

    /// Whether keys of this person may belong to the team.
    pub fn may_use(&self, team: TeamId) -> bool {
        self.teams.contains(&team)
    }
}
