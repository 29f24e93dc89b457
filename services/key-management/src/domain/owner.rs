//! Whose keys a caller may see, stop and change.

use maas_types::{TeamId, UserId};

use super::key::Key;

/// What the owner of a key is. It never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OwnerKind {
    User,
    ServiceAccount,
}

impl OwnerKind {
    pub const ALL: [Self; 2] = [Self::User, Self::ServiceAccount];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ServiceAccount => "service_account",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The keys within a caller's reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyScope {
    All,
    Limited {
        /// The caller, and the service accounts of the teams that they own: their keys are the caller's.
        owners: Vec<UserId>,
        /// The teams that the caller owns: keys of these may be seen and stopped, whoever has them.
        overseen_teams: Vec<TeamId>,
    },
}

impl KeyScope {
    /// Whether the caller may make keys for this owner and change theirs.
    pub fn manages(&self, owner: UserId) -> bool {
        match self {
            Self::All => true,
            Self::Limited { owners, .. } => owners.contains(&owner),
        }
    }

    /// Whether the caller may see, block and revoke the key. Everything else does not exist for them.
    pub fn oversees(&self, key: &Key) -> bool {
        match self {
            Self::All => true,
            Self::Limited { overseen_teams, .. } => {
                self.manages(key.owner_id) || key.team_id.is_some_and(|team| overseen_teams.contains(&team))
            }
        }
    }
}
