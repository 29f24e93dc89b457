//! A person as the API shows them.

use maas_types::{Role, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::user::{User, UserStatus};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = UserStatus)]
pub enum StatusView {
    Active,
    /// Cannot sign in; sessions, tokens and keys do not work.
    Disabled,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    pub id: UserId,
    /// Unique; what people sign in with.
    #[schema(example = "ada")]
    pub user_name: String,
    #[schema(example = "Ada Lovelace")]
    pub display_name: Option<String>,
    pub role: Role,
    pub status: StatusView,
    /// Where the person signs in; `local` for accounts with a password here.
    #[schema(example = "local")]
    pub issuer: String,
    /// The one-time password is still in use.
    pub must_change_password: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub last_sign_in_at: Option<Timestamp>,
}

/// A user with the password they can sign in with once. It is shown only here and only now.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserWithOneTimePassword {
    pub user: UserView,
    #[schema(example = "k7w2mfx9hq4bzt6rdn3cjy8vpg5e")]
    pub one_time_password: String,
}

impl UserView {
    pub fn to_api(user: User) -> Self {
        Self {
            id: user.id,
            user_name: user.user_name,
            display_name: user.display_name,
            role: user.role,
            status: StatusView::to_api(user.status),
            issuer: user.issuer,
            must_change_password: user.must_change_password,
            created_at: user.created_at,
            updated_at: user.updated_at,
            last_sign_in_at: user.last_sign_in_at,
        }
    }
}

impl StatusView {
    pub fn to_api(status: UserStatus) -> Self {
        match status {
            UserStatus::Active => Self::Active,
            UserStatus::Disabled => Self::Disabled,
        }
    }

    pub fn from_api(view: Self) -> UserStatus {
        match view {
            Self::Active => UserStatus::Active,
            Self::Disabled => UserStatus::Disabled,
        }
    }
}
