//! What groups give: a role on the platform, a role in a team, or both. Mappings are data; no group has a meaning that
//! is built in.

use std::collections::BTreeMap;

use maas_types::{GroupMappingId, Role, TeamId, TeamRole, Timestamp};

use super::{federated::BootstrapAdmin, team::higher, user::User, user_status::UserKind};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMapping {
    pub id: GroupMappingId,
    pub version: u64,
    /// Exactly as the provider writes it.
    pub group: String,
    /// Whose groups it is about; `None` = those of any provider.
    pub provider_id: Option<String>,
    pub role: Option<Role>,
    pub team: Option<(TeamId, TeamRole)>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl GroupMapping {
    fn applies(&self, provider_id: &str, groups: &[String]) -> bool {
        self.provider_id.as_deref().is_none_or(|own| own == provider_id) && groups.contains(&self.group)
    }
}

/// What follows from somebody's groups, and from being one of the first admins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupRights {
    pub role: Option<Role>,
    pub teams: BTreeMap<TeamId, TeamRole>,
}

/// The rules that rights are worked out with.
#[derive(Debug, Clone, Copy)]
pub struct GroupRules<'a> {
    pub mappings: &'a [GroupMapping],
    pub bootstrap_admins: &'a [BootstrapAdmin],
}

impl GroupRules<'_> {
    /// Local people and service accounts have no groups, and so nothing from them.
    pub fn rights_of(&self, user: &User, groups: &[String]) -> GroupRights {
        let mut rights = GroupRights::default();
        if user.kind != UserKind::User || user.is_local() {
            return rights;
        }
        for mapping in self.mappings.iter().filter(|mapping| mapping.applies(&user.provider_id, groups)) {
            rights.role = rights.role.max(mapping.role);
            if let Some((team, role)) = mapping.team {
                rights.teams.entry(team).and_modify(|given| *given = higher(*given, role)).or_insert(role);
            }
        }
        if self.bootstrap_admins.iter().any(|admin| admin.is(user, groups)) {
            rights.role = Some(Role::Admin);
        }
        rights
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::federated::FederatedIdentity;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_763_000_000_123);

    fn ada() -> User {
        let identity = FederatedIdentity {
            provider_id: "corp".to_owned(),
            issuer: "https://idp.example".to_owned(),
            subject: "4711".to_owned(),
            user_name: "ada".to_owned(),
            display_name: None,
            groups: Vec::new(),
        };
        User::new_federated(&identity, "ada".to_owned(), NOW)
    }

    fn mapping(
        group: &str,
        provider: Option<&str>,
        role: Option<Role>,
        team: Option<(TeamId, TeamRole)>,
    ) -> GroupMapping {
        GroupMapping {
            id: GroupMappingId::new_at(NOW),
            version: 1,
            group: group.to_owned(),
            provider_id: provider.map(str::to_owned),
            role,
            team,
            created_at: NOW,
            updated_at: NOW,
        }
    }

    fn rights(user: &User, groups: &[&str], mappings: &[GroupMapping]) -> GroupRights {
        let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        GroupRules { mappings, bootstrap_admins: &[] }.rights_of(user, &groups)
    }

    #[test]
    fn of_several_groups_the_most_counts() {
        let team = TeamId::new_at(NOW);
        let mappings = [
            mapping("readers", None, Some(Role::AdminReadonly), Some((team, TeamRole::Viewer))),
            mapping("leads", Some("corp"), None, Some((team, TeamRole::Owner))),
            mapping("ops", None, Some(Role::Admin), None),
        ];
        let both = rights(&ada(), &["readers", "leads"], &mappings);
        assert_eq!((both.role, both.teams.get(&team)), (Some(Role::AdminReadonly), Some(&TeamRole::Owner)));
        assert_eq!(rights(&ada(), &["Ops", "op"], &mappings), GroupRights::default());
    }

    #[test]
    fn another_providers_group_of_that_name_gives_nothing() {
        let mappings = [mapping("ops", Some("other"), Some(Role::Admin), None)];
        assert_eq!(rights(&ada(), &["ops"], &mappings).role, None);
        let local = User::new_local("ben".to_owned(), None, Role::User, NOW);
        assert_eq!(rights(&local, &["ops"], &[mapping("ops", None, Some(Role::Admin), None)]).role, None);
    }
}
