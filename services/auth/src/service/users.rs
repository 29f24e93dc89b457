//! People, as admins manage them.

use maas_store::StoreError;
use maas_types::{PageLimit, Role, UserId};
use sea_orm::DatabaseTransaction;
use secrecy::SecretString;

use super::{Core, initiator::Initiator, password_pool::PasswordPoolError};
use crate::{
    domain::{
        audit::AuditEntry,
        password,
        random::RandomUnavailable,
        user::{LastAdmin, User, UserChange, keep_an_admin},
    },
    events,
    store::{
        self,
        user::{UserFilter, UserPosition, VersionMoved},
    },
};

#[derive(Debug, thiserror::Error)]
pub enum UserError {
    #[error("no such user")]
    NotFound,
    #[error("the user name is taken")]
    NameTaken,
    /// The admin decided on what is no longer there.
    #[error("the user was changed since it was read")]
    VersionMoved,
    /// Nothing was done; the same call may succeed now.
    #[error("the user was changed at the same time")]
    ChangedMeanwhile,
    #[error(transparent)]
    LastAdmin(#[from] LastAdmin),
    /// The person signs in elsewhere.
    #[error("this user has no password here")]
    NoPassword,
    #[error(transparent)]
    Password(#[from] PasswordPoolError),
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Debug)]
pub struct CreateUserInput {
    pub user_name: String,
    pub display_name: Option<String>,
    pub role: Role,
}

/// A user and the password they can sign in with once; it is shown to the admin and kept nowhere.
#[derive(Debug)]
pub struct WithOneTimePassword {
    pub user: User,
    pub one_time_password: SecretString,
}

impl Core {
    pub async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        store::user::find(self.database.reader(), id).await
    }

    /// One more than `limit` if there is a next page.
    pub async fn users(
        &self,
        filter: &UserFilter,
        limit: PageLimit,
        after: Option<UserPosition>,
    ) -> Result<Vec<User>, StoreError> {
        store::user::list(self.database.reader(), filter, limit, after).await
    }

    pub async fn create_user(
        &self,
        input: CreateUserInput,
        initiator: &Initiator,
    ) -> Result<WithOneTimePassword, UserError> {
        let one_time_password = password::one_time()?;
        let hash = self.passwords.hash(one_time_password.clone()).await?;
        let now = self.now();
        let user = User::new_local(input.user_name, input.display_name, input.role, now);
        let entry = initiator.user_entry("user.create", (None, &user), now);
        let transaction = self.database.begin().await?;
        store::user::insert(&transaction, &user, Some(hash)).await.map_err(|error| match error {
            StoreError::Duplicate(_) => UserError::NameTaken,
            error => UserError::Store(error),
        })?;
        self.commit_user(transaction, &user, &entry).await?;
        Ok(WithOneTimePassword { user, one_time_password })
    }

    /// `seen` is the version that the admin looked at, if they say so.
    pub async fn update_user(
        &self,
        id: UserId,
        change: &UserChange,
        seen: Option<u64>,
        initiator: &Initiator,
    ) -> Result<User, UserError> {
        let now = self.now();
        let transaction = self.database.begin().await?;
        let before = store::user::find(&transaction, id).await?.ok_or(UserError::NotFound)?;
        if seen.is_some_and(|seen| seen != before.version) {
            return Err(UserError::VersionMoved);
        }
        let Some(after) = before.changed(change, now) else {
            return Ok(before);
        };
        if before.is_active_admin() && !after.is_active_admin() {
            let others = store::user::lock_other_active_admins(&transaction, id).await?;
            keep_an_admin(&before, &after, others)?;
        }
        let updated = store::user::update(&transaction, &after, None).await?;
        updated.map_err(|VersionMoved| match seen {
            Some(_) => UserError::VersionMoved,
            None => UserError::ChangedMeanwhile,
        })?;
        if before.is_active() && !after.is_active() {
            store::session::delete_others(&transaction, id, None).await?;
        }
        let entry = initiator.user_entry("user.update", (Some(&before), &after), now);
        self.commit_user(transaction, &after, &entry).await?;
        Ok(after)
    }

    /// Ends all sessions and tokens of the user; they have to choose a password at the next sign-in.
    pub async fn reset_password(&self, id: UserId, initiator: &Initiator) -> Result<WithOneTimePassword, UserError> {
        let one_time_password = password::one_time()?;
        let hash = self.passwords.hash(one_time_password.clone()).await?;
        let now = self.now();
        let transaction = self.database.begin().await?;
        let before = store::user::find(&transaction, id).await?.ok_or(UserError::NotFound)?;
        if !before.is_local() {
            return Err(UserError::NoPassword);
        }
        let user = before.with_password_reset(now);
        let updated = store::user::update(&transaction, &user, Some(hash)).await?;
        updated.map_err(|VersionMoved| UserError::ChangedMeanwhile)?;
        store::session::delete_others(&transaction, id, None).await?;
        let entry = initiator.user_entry("user.reset_password", (Some(&before), &user), now);
        self.commit_user(transaction, &user, &entry).await?;
        Ok(WithOneTimePassword { user, one_time_password })
    }

    async fn commit_user(
        &self,
        transaction: DatabaseTransaction,
        user: &User,
        entry: &AuditEntry,
    ) -> Result<(), StoreError> {
        self.commit(transaction, vec![events::user_state(user), events::audit_record(entry)]).await
    }
}
