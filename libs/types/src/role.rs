//! The platform roles. What each may do is declared per operation where the permissions live.

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
