//! Teams, the organisations that group them, and who is in them.

use maas_types::{OrganisationId, TeamId, TeamRole, Timestamp, UserId};
use uuid::Uuid;

/// The organisation of every team that nobody put elsewhere. It can be renamed and never deleted.
pub const DEFAULT_ORGANISATION: OrganisationId =
    OrganisationId::from_uuid(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0002));
pub const DEFAULT_ORGANISATION_NAME: &str = "default";

/// Groups teams for reports. No boundary of security: nobody's rights follow from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    pub id: OrganisationId,
    pub version: u64,
    pub name: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Organisation {
    pub fn new(name: String, now: Timestamp) -> Self {
        Self { id: OrganisationId::new_at(now), version: 1, name, created_at: now, updated_at: now }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    pub id: TeamId,
    /// Grows by one with each change of the team or of who was put into it by hand.
    pub version: u64,
    pub name: String,
    pub description: String,
    /// Whom finance charges; empty = nobody yet.
    pub cost_centre: String,
    pub organisation_id: OrganisationId,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// What the team's keys used stays booked to it, so that the row does.
    pub deleted_at: Option<Timestamp>,
}

/// What may be changed of a team; `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TeamChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub cost_centre: Option<String>,
    pub organisation_id: Option<OrganisationId>,
}

impl TeamChange {
    /// Names, cost centres and organisations decide what finance sees, so that a team's owner changes the text only.
    pub fn is_for_owners(&self) -> bool {
        self.name.is_none() && self.cost_centre.is_none() && self.organisation_id.is_none()
    }
}

impl Team {
    /// The team after `change`; `None` when nothing changes.
    pub fn changed(&self, change: &TeamChange, now: Timestamp) -> Option<Self> {
        let mut after = self.clone();
        let replace = |field: &mut String, value: &Option<String>| {
            if let Some(value) = value {
                field.clone_from(value);
            }
        };
        replace(&mut after.name, &change.name);
        replace(&mut after.description, &change.description);
        replace(&mut after.cost_centre, &change.cost_centre);
        after.organisation_id = change.organisation_id.unwrap_or(self.organisation_id);
        (after != *self).then(|| after.touched(now))
    }

    pub fn deleted(&self, now: Timestamp) -> Self {
        Self { deleted_at: Some(now), ..self.touched(now) }
    }

    /// The same team at its next version, e.g. since its members changed.
    pub fn touched(&self, now: Timestamp) -> Self {
        Self { version: self.version + 1, updated_at: now, ..self.clone() }
    }

    /// Whether usage that is booked from now on is booked differently.
    pub fn books_differently(&self, before: &Self) -> bool {
        self.cost_centre != before.cost_centre || self.organisation_id != before.organisation_id
    }
}

/// Who put somebody into a team. A person can be in a team both ways; the higher role counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemberSource {
    /// An admin or an owner of the team.
    Manual,
    /// A group mapping: it comes and goes with the group.
    Group,
}

impl MemberSource {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Group => "group",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Manual, Self::Group].into_iter().find(|source| source.as_str() == text)
    }
}

/// One row of who is in a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    pub team_id: TeamId,
    pub user_id: UserId,
    pub source: MemberSource,
    pub role: TeamRole,
    pub created_at: Timestamp,
}

/// The role that counts of two.
pub const fn higher(one: TeamRole, other: TeamRole) -> TeamRole {
    match (one, other) {
        (TeamRole::Owner, _) | (_, TeamRole::Owner) => TeamRole::Owner,
        (TeamRole::Member, _) | (_, TeamRole::Member) => TeamRole::Member,
        (TeamRole::Viewer, TeamRole::Viewer) => TeamRole::Viewer,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a team keeps an owner; only an admin may leave it without one")]
pub struct LastOwner;

/// `owners_left` are those after the change.
pub fn keep_an_owner(lost_an_owner: bool, owners_left: u64, by_admin: bool) -> Result<(), LastOwner> {
    if lost_an_owner && owners_left == 0 && !by_admin { Err(LastOwner) } else { Ok(()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_763_000_000_123);

    fn team() -> Team {
        Team {
            id: TeamId::new_at(NOW),
            version: 1,
            name: "search".to_owned(),
            description: String::new(),
            cost_centre: "4711".to_owned(),
            organisation_id: DEFAULT_ORGANISATION,
            created_at: NOW,
            updated_at: NOW,
            deleted_at: None,
        }
    }

    #[test]
    fn a_renamed_team_is_booked_as_before() {
        let rename = TeamChange { name: Some("find".to_owned()), ..TeamChange::default() };
        let renamed = team().changed(&rename, NOW).unwrap();
        assert_eq!((renamed.version, renamed.books_differently(&team())), (2, false));
        assert_eq!(renamed.changed(&rename, NOW), None);
        assert!(!rename.is_for_owners());
    }

    #[test]
    fn the_higher_role_counts() {
        assert_eq!(higher(TeamRole::Viewer, TeamRole::Member), TeamRole::Member);
        assert_eq!(higher(TeamRole::Owner, TeamRole::Viewer), TeamRole::Owner);
    }

    #[test]
    fn only_an_admin_leaves_a_team_without_owner() {
        assert_eq!(keep_an_owner(true, 0, false), Err(LastOwner));
        assert_eq!(keep_an_owner(true, 1, false), Ok(()));
        assert_eq!(keep_an_owner(true, 0, true), Ok(()));
        // A team that has none anyway can be left.
        assert_eq!(keep_an_owner(false, 0, false), Ok(()));
    }
}
