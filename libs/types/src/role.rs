//! The platform's roles, and those within a team. What each may do is declared per operation where the permissions live.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// From least to most: an admin may do everything, an admin-readonly reads what an admin reads and writes nothing,
/// a user has their own things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    User,
    AdminReadonly,
    Admin,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::User, Self::AdminReadonly, Self::Admin];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::AdminReadonly => "admin-readonly",
            Self::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// From most to least: an owner decides about members and access, a member's keys may belong to the team, a viewer sees
/// what the team used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TeamRole {
    Owner,
    Member,
    Viewer,
}

impl TeamRole {
    pub const ALL: [Self; 3] = [Self::Owner, Self::Member, Self::Viewer];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Member => "member",
            Self::Viewer => "viewer",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Whether this person's keys may belong to the team.
    pub const fn may_use(self) -> bool {
        matches!(self, Self::Owner | Self::Member)
    }
}
