//! People and service accounts as the API shows them.

use maas_revocation::owner::Confirmation;
use maas_types::{Role, TeamId, TeamRole, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    domain::{
        user::User,
        user_facts::UserFacts,
        user_status::{UserKind, UserStatus},
    },
    service::users::ChangedUser,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = UserStatus)]
pub enum StatusView {
    Active,
    /// Cannot sign in; sessions, tokens and keys do not work.
    Disabled,
    /// May sign in, and has not done so yet.
    Invited,
}

/// What an admin can set a status to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StatusChange {
    Active,
    Disabled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = UserKind)]
pub enum KindView {
    User,
    /// For a program: owns keys and cannot sign in.
    ServiceAccount,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    pub id: UserId,
    /// Unique on the platform; what people with a password sign in with.
    #[schema(example = "ada")]
    pub user_name: String,
    #[schema(example = "Ada Lovelace")]
    pub display_name: Option<String>,
    pub kind: KindView,
    /// What counts: the higher one of the next two.
    pub role: Role,
    /// Given by an admin.
    pub granted_role: Role,
    /// From the person's groups, or from being one of the first admins. It goes with them.
    pub group_role: Option<Role>,
    pub status: StatusView,
    /// Who vouches for the person; `local` for accounts with a password here.
    #[schema(example = "https://idp.example.org/realms/corp")]
    pub issuer: String,
    /// Where the person signs in.
    #[schema(example = "corp")]
    pub provider: String,
    /// Whom usage without a team's key is booked to.
    pub default_team_id: Option<TeamId>,
    /// Of a service account: the team that owns it; null = the platform.
    pub team_id: Option<TeamId>,
    /// The one-time password is still in use.
    pub must_change_password: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub last_sign_in_at: Option<Timestamp>,
}

/// A user with what follows for them.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserDetails {
    #[serde(flatten)]
    pub user: UserView,
    /// Of the last sign-in or token exchange.
    #[schema(example = json!(["data-science", "llm-users"]))]
    pub groups: Vec<String>,
    pub teams: Vec<TeamOfUser>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TeamOfUser {
    pub team_id: TeamId,
    /// The highest one, if there are several.
    pub role: TeamRole,
}

/// A user after a change.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChangedUser)]
pub struct ChangedUserView {
    #[serde(flatten)]
    pub user: UserView,
    /// How many proxies have taken it over, when something was taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation: Option<Confirmation>,
}

/// Something that is gone.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeletedUser {
    pub id: UserId,
    /// How many proxies refuse its tokens and keys.
    pub revocation: Option<Confirmation>,
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
            kind: KindView::to_api(user.kind),
            role: user.role,
            granted_role: user.granted_role,
            group_role: user.group_role,
            status: StatusView::to_api(user.status),
            issuer: user.issuer,
            provider: user.provider_id,
            default_team_id: user.default_team_id,
            team_id: user.service_team_id,
            must_change_password: user.must_change_password,
            created_at: user.created_at,
            updated_at: user.updated_at,
            last_sign_in_at: user.last_sign_in_at,
        }
    }
}

impl UserDetails {
    pub fn to_api(facts: UserFacts) -> Self {
        let teams = facts.teams().into_iter().map(|(team_id, role)| TeamOfUser { team_id, role }).collect();
        Self { user: UserView::to_api(facts.user), groups: facts.groups, teams }
    }
}

impl ChangedUserView {
    pub fn to_api(changed: ChangedUser) -> Self {
        Self { user: UserView::to_api(changed.user), revocation: changed.confirmation }
    }
}

impl DeletedUser {
    pub fn to_api(deleted: ChangedUser) -> Self {
        Self { id: deleted.user.id, revocation: deleted.confirmation }
    }
}

impl StatusView {
    /// The deleted are never shown.
    pub fn to_api(status: UserStatus) -> Self {
        match status {
            UserStatus::Active => Self::Active,
            UserStatus::Disabled | UserStatus::Deleted => Self::Disabled,
            UserStatus::Invited => Self::Invited,
        }
    }

    pub fn from_api(view: Self) -> UserStatus {
        match view {
            Self::Active => UserStatus::Active,
            Self::Disabled => UserStatus::Disabled,
            Self::Invited => UserStatus::Invited,
        }
    }
}

impl StatusChange {
    pub fn from_api(change: Self) -> UserStatus {
        match change {
            Self::Active => UserStatus::Active,
            Self::Disabled => UserStatus::Disabled,
        }
    }
}

impl KindView {
    pub fn to_api(kind: UserKind) -> Self {
        match kind {
            UserKind::User => Self::User,
            UserKind::ServiceAccount => Self::ServiceAccount,
        }
    }

    pub fn from_api(view: Self) -> UserKind {
        match view {
            Self::User => UserKind::User,
            Self::ServiceAccount => UserKind::ServiceAccount,
        }
    }
}
