//! A person with all that follows for them: groups, teams, and whom their usage is booked to.

use std::collections::BTreeMap;

use maas_types::{OrganisationId, TeamId, TeamRole, Timestamp};

use super::{
    group_mapping::GroupRules,
    revoked_token::RevokedToken,
    team::{MemberSource, Membership, higher},
    user::User,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserFacts {
    pub user: User,
    /// Of the last sign-in or token exchange, in order.
    pub groups: Vec<String>,
    /// By team; a person who is in a team by hand and by group has two.
    pub memberships: Vec<Membership>,
    /// Of the default team.
    pub booking: Option<Booking>,
    /// Tokens that were withdrawn one by one, newest first; few.
    pub revoked_tokens: Vec<RevokedToken>,
}

/// Whom finance charges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    pub organisation_id: OrganisationId,
    pub cost_centre: String,
}

impl UserFacts {
    /// Somebody of whom nothing else is known yet.
    pub fn new(user: User) -> Self {
        Self { user, groups: Vec::new(), memberships: Vec::new(), booking: None, revoked_tokens: Vec::new() }
    }

    /// Each team once, with the role that counts.
    pub fn teams(&self) -> Vec<(TeamId, TeamRole)> {
        effective_teams(&self.memberships)
    }

    pub fn of_source(&self, source: MemberSource) -> impl Iterator<Item = &Membership> {
        self.memberships.iter().filter(move |membership| membership.source == source)
    }

    /// The same person with what follows from these groups and from who put them into teams by hand. Version and
    /// booking stay as they are: they follow once this is written.
    pub fn evaluated(self, rules: GroupRules<'_>, now: Timestamp) -> Self {
        let rights = rules.rights_of(&self.user, &self.groups);
        let since =
            |team| self.of_source(MemberSource::Group).find(|row| row.team_id == team).map(|row| row.created_at);
        let by_group = rights.teams.iter().map(|(team, role)| Membership {
            team_id: *team,
            user_id: self.user.id,
            source: MemberSource::Group,
            role: *role,
            created_at: since(*team).unwrap_or(now),
        });
        let memberships = self.of_source(MemberSource::Manual).copied().chain(by_group).collect();
        let user = self.user.with_group_role(rights.role);
        Self { user, memberships, ..self }.with_teams_settled()
    }

    /// The same person once their memberships changed: rows in order, and a default team that they may use.
    pub fn with_teams_settled(mut self) -> Self {
        self.memberships.sort_by_key(|row| (row.team_id, row.source.as_str()));
        self.user.default_team_id = default_team(self.user.default_team_id, &self.teams());
        self
    }

    /// Whether nobody else could tell the two apart.
    pub fn is_same(&self, other: &Self) -> bool {
        self.user == other.user
            && self.groups == other.groups
            && self.memberships == other.memberships
            && self.revoked_tokens == other.revoked_tokens
    }

    /// Whether something that worked for `self` may work no longer `after`. Groups open plans, so that each of them
    /// counts.
    pub fn loses_rights(&self, after: &Self) -> bool {
        self.user.loses_rights(&after.user)
            || loses_a_team(&self.teams(), &after.teams())
            || self.groups.iter().any(|group| !after.groups.contains(group))
    }
}

/// Each team once, in the order of ids, with the role that counts.
pub fn effective_teams(memberships: &[Membership]) -> Vec<(TeamId, TeamRole)> {
    let mut teams = BTreeMap::new();
    for Membership { team_id, role, .. } in memberships {
        teams.entry(*team_id).and_modify(|given| *given = higher(*given, *role)).or_insert(*role);
    }
    teams.into_iter().collect()
}

/// Whom somebody's usage without a team's key is booked to: the team that was chosen while they may use it, else the
/// oldest they may use (ids carry the time of creation), so that nobody in a team uses at nobody's cost.
pub fn default_team(chosen: Option<TeamId>, teams: &[(TeamId, TeamRole)]) -> Option<TeamId> {
    let usable = || teams.iter().filter(|(_, role)| role.may_use()).map(|(team, _)| *team);
    chosen.filter(|chosen| usable().any(|team| team == *chosen)).or_else(|| usable().min())
}

/// Whether somebody with these teams before has lost anything by having those after.
pub fn loses_a_team(before: &[(TeamId, TeamRole)], after: &[(TeamId, TeamRole)]) -> bool {
    let role_after = |team: TeamId| after.iter().find(|(other, _)| *other == team).map(|(_, role)| *role);
    before.iter().any(|(team, role)| role_after(*team).is_none_or(|after| higher(*role, after) != after))
}

#[cfg(test)]
mod tests {
    use maas_types::Timestamp;

    use super::*;

    fn team(number: i64) -> TeamId {
        TeamId::new_at(Timestamp::from_unix_ms(number))
    }

    #[test]
    fn the_chosen_team_counts_while_it_can_be_used() {
        let (old, new) = (team(1), team(2));
        let teams = [(old, TeamRole::Member), (new, TeamRole::Owner)];
        assert_eq!(default_team(Some(new), &teams), Some(new));
        assert_eq!(default_team(Some(team(3)), &teams), Some(old));
        assert_eq!(default_team(Some(new), &[(new, TeamRole::Viewer)]), None);
    }

    #[test]
    fn a_lower_role_is_a_loss_and_a_higher_one_is_not() {
        let (one, two) = (team(1), team(2));
        let member = [(one, TeamRole::Member)];
        assert!(loses_a_team(&member, &[(one, TeamRole::Viewer)]));
        assert!(loses_a_team(&member, &[(two, TeamRole::Owner)]));
        assert!(!loses_a_team(&member, &[(one, TeamRole::Owner), (two, TeamRole::Viewer)]));
    }
}
