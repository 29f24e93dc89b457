//! People: who they are, what they may change into, and the rule that an admin always remains.

use maas_types::{Role, Timestamp, UserId};

use super::provider::LOCAL_ISSUER;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserStatus {
    Active,
    Disabled,
}

impl UserStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Disabled].into_iter().find(|status| status.as_str() == text)
    }
}

/// A person. Identified by (issuer, subject); the user name is for signing in and for reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    /// Grows by one with each change that others hear of.
    pub version: u64,
    pub user_name: String,
    pub display_name: Option<String>,
    pub issuer: String,
    pub subject: String,
    pub status: UserStatus,
    pub role: Role,
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
        let id = UserId::new_at(now);
        Self {
            id,
            version: 1,
            user_name,
            display_name,
            issuer: LOCAL_ISSUER.to_owned(),
            subject: id.to_string(),
            status: UserStatus::Active,
            role,
            must_change_password: true,
            tokens_valid_from: Timestamp::EPOCH,
            created_at: now,
            updated_at: now,
            last_sign_in_at: None,
        }
    }

    pub fn is_active(&self) -> bool {
        self.status == UserStatus::Active
    }

    pub fn is_local(&self) -> bool {
        self.issuer == LOCAL_ISSUER
    }

    pub fn is_active_admin(&self) -> bool {
        self.is_active() && self.role == Role::Admin
    }

    /// Whether a token issued at `issued_at` (whole seconds) is still good.
    pub fn accepts_token_of(&self, issued_at: Timestamp) -> bool {
        self.is_active() && issued_at >= self.tokens_valid_from
    }

    /// The user after `change`; `None` when nothing changes.
    pub fn changed(&self, change: &UserChange, now: Timestamp) -> Option<Self> {
        let mut after = self.clone();
        after.role = change.role.unwrap_or(self.role);
        after.status = change.status.unwrap_or(self.status);
        if let Some(name) = &change.display_name {
            after.display_name = Some(name.clone());
        }
        if after == *self {
            return None;
        }
        if self.is_active() && !after.is_active() {
            after.revoke_tokens(now);
        }
        after.touch(now);
        Some(after)
    }

    /// The user once a one-time password was set for them.
    pub fn with_password_reset(&self, now: Timestamp) -> Self {
        let mut after = Self { must_change_password: true, ..self.clone() };
        after.revoke_tokens(now);
        after.touch(now);
        after
    }

    /// The user once they chose a password themselves.
    pub fn with_password_chosen(&self, now: Timestamp) -> Self {
        let mut after = Self { must_change_password: false, ..self.clone() };
        after.touch(now);
        after
    }

    fn touch(&mut self, now: Timestamp) {
        self.version += 1;
        self.updated_at = now;
    }

    /// Tokens know their time in whole seconds: those of the running second go, too.
    fn revoke_tokens(&mut self, now: Timestamp) {
        self.tokens_valid_from = Timestamp::from_unix_ms((now.unix_seconds() + 1) * 1_000);
    }
}

/// What an admin may change of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserChange {
    pub role: Option<Role>,
    pub status: Option<UserStatus>,
    pub display_name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the last active admin can be neither demoted nor disabled")]
pub struct LastAdmin;

/// `other_active_admins` without the user that changes; counted under a lock that keeps it true until the commit.
pub fn keep_an_admin(before: &User, after: &User, other_active_admins: u64) -> Result<(), LastAdmin> {
    let loses_admin = before.is_active_admin() && !after.is_active_admin();
    if loses_admin && other_active_admins == 0 { Err(LastAdmin) } else { Ok(()) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    #[error("must not be empty")]
    Empty,
    #[error("must have at most 255 characters")]
    TooLong,
    #[error("must not hold control characters, or spaces at its ends")]
    Characters,
}

impl NameFault {
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::Characters => "invalid_characters",
        }
    }
}

/// User names and display names: 1 to 255 characters.
pub fn check_name(name: &str) -> Result<(), NameFault> {
    if name.is_empty() {
        return Err(NameFault::Empty);
    }
    if name.chars().count() > 255 {
        return Err(NameFault::TooLong);
    }
    if name.chars().any(char::is_control) || name.trim() != name {
        return Err(NameFault::Characters);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_763_000_000_123);

    fn admin() -> User {
        User::new_local("ada".to_owned(), None, Role::Admin, NOW)
    }

    #[test]
    fn a_disabled_user_loses_every_token_issued_until_then() {
        let change = UserChange { status: Some(UserStatus::Disabled), ..UserChange::default() };
        let disabled = admin().changed(&change, NOW).unwrap();
        let enabled =
            disabled.changed(&UserChange { status: Some(UserStatus::Active), ..UserChange::default() }, NOW).unwrap();
        assert_eq!(enabled.version, 3);
        assert!(!enabled.accepts_token_of(Timestamp::from_unix_ms(NOW.unix_seconds() * 1_000)));
        assert!(enabled.accepts_token_of(Timestamp::from_unix_ms((NOW.unix_seconds() + 1) * 1_000)));
    }

    #[test]
    fn a_change_to_what_is_there_is_none() {
        let change = UserChange { role: Some(Role::Admin), ..UserChange::default() };
        assert_eq!(admin().changed(&change, NOW), None);
    }

    #[test]
    fn the_last_admin_stays() {
        let before = admin();
        let demoted = before.changed(&UserChange { role: Some(Role::User), ..UserChange::default() }, NOW).unwrap();
        assert_eq!(keep_an_admin(&before, &demoted, 0), Err(LastAdmin));
        assert_eq!(keep_an_admin(&before, &demoted, 1), Ok(()));
        let renamed = UserChange { display_name: Some("Ada".to_owned()), ..UserChange::default() };
        assert_eq!(keep_an_admin(&before, &before.changed(&renamed, NOW).unwrap(), 0), Ok(()));
    }

    #[test]
    fn names_have_limits() {
        assert_eq!(check_name(&"ä".repeat(255)), Ok(()));
        assert_eq!(check_name(&"a".repeat(256)), Err(NameFault::TooLong));
        assert_eq!(check_name(""), Err(NameFault::Empty));
        assert_eq!(check_name("a\nb"), Err(NameFault::Characters));
        assert_eq!(check_name(" a"), Err(NameFault::Characters));
    }
}
