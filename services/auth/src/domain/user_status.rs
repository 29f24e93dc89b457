//! Whether somebody may do anything, and whether they are somebody at all.

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserStatus {
    Active,
    Disabled,
    /// An admin has let them in, and they have not come yet.
    Invited,
    /// The row stays, since usage and audit entries name its id; it says nothing about the person any more.
    Deleted,
}

impl UserStatus {
    const ALL: [Self; 4] = [Self::Active, Self::Disabled, Self::Invited, Self::Deleted];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Invited => "invited",
            Self::Deleted => "deleted",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// What an admin may set: on or off. Somebody who was invited and is switched on is still to come.
    pub fn set_to(self, wanted: Self) -> Self {
        if self == Self::Invited && wanted == Self::Active { self } else { wanted }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserKind {
    User,
    /// No person: it owns keys, and cannot sign in.
    ServiceAccount,
}

impl UserKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ServiceAccount => "service_account",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::User, Self::ServiceAccount].into_iter().find(|kind| kind.as_str() == text)
    }
}
