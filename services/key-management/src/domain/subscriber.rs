//! Who has a subscription, and whose a caller may see and change.

use maas_types::{TeamId, UserId};
use uuid::Uuid;

/// A person or service account, or a team. No user and no team have the same UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subscriber {
    User(UserId),
    Team(TeamId),
}

/// The subscriptions within a caller's reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionScope {
    All,
    Limited {
        /// The caller, and the service accounts of the teams that they own.
        users: Vec<UserId>,
        /// The teams that the caller owns.
        owned_teams: Vec<TeamId>,
        /// The teams that the caller belongs to in whatever role.
        joined_teams: Vec<TeamId>,
    },
}

impl Subscriber {
    pub const USER: &'static str = "user";
    pub const TEAM: &'static str = "team";

    pub const fn uuid(self) -> Uuid {
        match self {
            Self::User(user) => user.uuid(),
            Self::Team(team) => team.uuid(),
        }
    }

    pub const fn kind(self) -> &'static str {
        match self {
            Self::User(_) => Self::USER,
            Self::Team(_) => Self::TEAM,
        }
    }

    pub fn from_parts(kind: &str, id: Uuid) -> Option<Self> {
        match kind {
            Self::USER => Some(Self::User(UserId::from_uuid(id))),
            Self::TEAM => Some(Self::Team(TeamId::from_uuid(id))),
            _ => None,
        }
    }
}

impl SubscriptionScope {
    /// Whether the caller may ask for access in the subscriber's name, give it up, and ask for a review.
    pub fn manages(&self, subscriber: Subscriber) -> bool {
        match (self, subscriber) {
            (Self::All, _) => true,
            (Self::Limited { users, .. }, Subscriber::User(user)) => users.contains(&user),
            (Self::Limited { owned_teams, .. }, Subscriber::Team(team)) => owned_teams.contains(&team),
        }
    }

    /// Whether the caller may know of it. Everything else does not exist for them.
    pub fn sees(&self, subscriber: Subscriber) -> bool {
        let is_joined = match (self, subscriber) {
            (Self::Limited { joined_teams, .. }, Subscriber::Team(team)) => joined_teams.contains(&team),
            _ => false,
        };
        is_joined || self.manages(subscriber)
    }
}
