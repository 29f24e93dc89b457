//! People and service accounts: who they are, what they may change into, and the rule that an admin always remains.

use std::time::Duration;

use maas_types::{Role, TeamId, Timestamp, UserId};

use super::{
    federated::FederatedIdentity,
    provider::LOCAL_ISSUER,
    user_status::{UserKind, UserStatus},
};

/// In the place of a provider: these have none, and nobody can be introduced as one of them.
const SERVICE_ACCOUNT_ISSUER: &str = "service-accounts";
const DELETED_ISSUER: &str = "deleted";

/// A person or a service account. People are identified by (issuer, subject); the user name is for reading, and for
/// signing in with a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    /// Grows by one with each change that others hear of.
    pub version: u64,
    /// Unique on the platform.
    pub user_name: String,
    pub display_name: Option<String>,
    pub kind: UserKind,
    pub issuer: String,
    pub subject: String,
    /// Where they sign in; see `domain::provider`.
    pub provider_id: String,
    /// What the provider called them at their last sign-in. Not unique, and may change.
    pub provider_name: Option<String>,
    /// Until they come: the name under which the provider will introduce them, where the subject is not known.
    pub invited_name: Option<String>,
    pub status: UserStatus,
    /// The higher one of the next two.
    pub role: Role,
    /// By an admin.
    pub granted_role: Role,
    /// By their groups, or by being a first admin.
    pub group_role: Option<Role>,
    pub default_team_id: Option<TeamId>,
    /// The team that owns a service account; `None` = the platform does.
    pub service_team_id: Option<TeamId>,
    pub must_change_password: bool,
    /// Tokens issued before this are refused.
    pub tokens_valid_from: Timestamp,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub last_sign_in_at: Option<Timestamp>,
}

impl User {
    /// A local user with a one-time password.
    pub fn new_local(user_name: String, display_name: Option<String>, role: Role, now: Timestamp) -> Self {
        let local = Self { display_name, must_change_password: true, ..Self::new(user_name, LOCAL_ISSUER, now) };
        local.with_granted_role(role)
    }

    /// Somebody whom a provider introduces for the first time.
    pub fn new_federated(identity: &FederatedIdentity, user_name: String, now: Timestamp) -> Self {
        Self {
            subject: identity.subject.clone(),
            provider_id: identity.provider_id.clone(),
            provider_name: Some(identity.user_name.clone()),
            display_name: identity.display_name.clone(),
            ..Self::new(user_name, &identity.issuer, now)
        }
    }

    /// Somebody who may come. Until then, without a known subject, the id stands in its place.
    pub fn new_invited(invitation: Invitation, user_name: String, now: Timestamp) -> Self {
        let Invitation { provider_id, issuer, who, display_name, role } = invitation;
        let invited =
            Self { provider_id, display_name, status: UserStatus::Invited, ..Self::new(user_name, &issuer, now) };
        let invited = match who {
            Invitee::Subject(subject) => Self { subject, ..invited },
            Invitee::Name(name) => Self { invited_name: Some(name), ..invited },
        };
        invited.with_granted_role(role)
    }

    /// An account for a program, of a team or (`None`) of the platform.
    pub fn new_service_account(
        user_name: String,
        display_name: Option<String>,
        team: Option<TeamId>,
        now: Timestamp,
    ) -> Self {
        Self {
            display_name,
            kind: UserKind::ServiceAccount,
            service_team_id: team,
            default_team_id: team,
            ..Self::new(user_name, SERVICE_ACCOUNT_ISSUER, now)
        }
    }

    fn new(user_name: String, issuer: &str, now: Timestamp) -> Self {
        let id = UserId::new_at(now);
        Self {
            id,
            version: 1,
            user_name,
            display_name: None,
            kind: UserKind::User,
            issuer: issuer.to_owned(),
            subject: id.to_string(),
            provider_id: issuer.to_owned(),
            provider_name: None,
            invited_name: None,
            status: UserStatus::Active,
            role: Role::User,
            granted_role: Role::User,
            group_role: None,
            default_team_id: None,
            service_team_id: None,
            must_change_password: false,
            tokens_valid_from: Timestamp::EPOCH,
            created_at: now,
            updated_at: now,
            last_sign_in_at: None,
        }
    }

    pub fn is_active(&self) -> bool {
        self.status == UserStatus::Active
    }

    pub fn is_deleted(&self) -> bool {
        self.status == UserStatus::Deleted
    }

    pub fn is_local(&self) -> bool {
        self.issuer == LOCAL_ISSUER
    }

    pub fn is_active_admin(&self) -> bool {
        self.is_active() && self.role == Role::Admin
    }

    /// Whether a token issued at `issued_at` is still good.
    pub fn accepts_token_of(&self, issued_at: Timestamp) -> bool {
        self.is_active() && issued_at >= self.tokens_valid_from
    }

    /// Whether something that worked for `self` works no longer `after`; teams are judged by themselves.
    pub fn loses_rights(&self, after: &Self) -> bool {
        (self.is_active() && !after.is_active()) || after.role < self.role
    }

    /// The user after `change`; `None` when nothing changes.
    pub fn changed(&self, change: &UserChange, now: Timestamp) -> Option<Self> {
        let mut after = self.clone().with_granted_role(change.role.unwrap_or(self.granted_role));
        after.status = change.status.map_or(self.status, |wanted| self.status.set_to(wanted));
        after.default_team_id = change.default_team.or(self.default_team_id);
        if let Some(name) = &change.display_name {
            after.display_name = Some(name.clone());
        }
        if after == *self {
            return None;
        }
        if self.is_active() && !after.is_active() {
            after.revoke_tokens(now);
        }
        Some(after.touched(now))
    }

    /// The user as the provider introduces them now; at the first time, they have come.
    pub fn introduced(&self, identity: &FederatedIdentity) -> Self {
        Self {
            status: if self.status == UserStatus::Invited { UserStatus::Active } else { self.status },
            subject: identity.subject.clone(),
            invited_name: None,
            provider_id: identity.provider_id.clone(),
            provider_name: Some(identity.user_name.clone()),
            display_name: identity.display_name.clone().or_else(|| self.display_name.clone()),
            ..self.clone()
        }
    }

    /// The user with this role from their groups.
    pub fn with_group_role(self, group_role: Option<Role>) -> Self {
        Self { group_role, role: self.granted_role.max(group_role.unwrap_or(Role::User)), ..self }
    }

    fn with_granted_role(self, granted_role: Role) -> Self {
        let group_role = self.group_role;
        Self { granted_role, ..self }.with_group_role(group_role)
    }

    /// The user without the person: nothing left says who it was.
    pub fn deleted(&self, now: Timestamp) -> Self {
        let mut after = Self {
            version: self.version,
            id: self.id,
            kind: self.kind,
            subject: self.id.to_string(),
            status: UserStatus::Deleted,
            created_at: self.created_at,
            last_sign_in_at: self.last_sign_in_at,
            ..Self::new(format!("deleted {}", self.id), DELETED_ISSUER, now)
        };
        after.revoke_tokens(now);
        after.touched(now)
    }

    /// The user once a one-time password was set for them.
    pub fn with_password_reset(&self, now: Timestamp) -> Self {
        let mut after = Self { must_change_password: true, ..self.clone() };
        after.revoke_tokens(now);
        after.touched(now)
    }

    /// The user once they chose a password themselves.
    pub fn with_password_chosen(&self, now: Timestamp) -> Self {
        Self { must_change_password: false, ..self.clone() }.touched(now)
    }

    /// The same user at the next version, for others to hear of.
    pub fn touched(self, now: Timestamp) -> Self {
        Self { version: self.version + 1, updated_at: now, ..self }
    }

    /// Every token until now, also one that was issued ahead of time after a withdrawal in this same millisecond.
    pub fn revoke_tokens(&mut self, now: Timestamp) {
        self.tokens_valid_from = now.max(self.tokens_valid_from).plus(Duration::from_millis(1));
    }
}

/// Whom an admin lets in before they come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    pub provider_id: String,
    pub issuer: String,
    pub who: Invitee,
    pub display_name: Option<String>,
    pub role: Role,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invitee {
    /// Exactly this person.
    Subject(String),
    /// Who comes first under this name of the provider's.
    Name(String),
}

/// What an admin may change of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserChange {
    /// The role that the admin gives; groups may give a higher one.
    pub role: Option<Role>,
    pub status: Option<UserStatus>,
    pub display_name: Option<String>,
    pub default_team: Option<TeamId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the last active admin can be neither demoted, disabled nor deleted")]
pub struct LastAdmin;

/// `other_active_admins` without the user that changes; counted under a lock that keeps it true until the commit.
pub fn keep_an_admin(before: &User, after: &User, other_active_admins: u64) -> Result<(), LastAdmin> {
    let loses_admin = before.is_active_admin() && !after.is_active_admin();
    if loses_admin && other_active_admins == 0 { Err(LastAdmin) } else { Ok(()) }
}

#[cfg(test)]
#[path = "user_tests.rs"]
mod tests;
