//! Changing one's own password.

use maas_store::StoreError;
use maas_types::{SessionId, UserId};
use maas_web::attempts::{AttemptKey, TooManyAttempts};
use secrecy::SecretString;

use super::{Core, initiator::Initiator, password_pool::PasswordPoolError};
use crate::{
    domain::{
        audit::AuditOutcome,
        password::{self, PasswordFault},
    },
    events,
    store::{self, user::VersionMoved},
};

#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    #[error("the new password {0}")]
    Unacceptable(#[from] PasswordFault),
    #[error(transparent)]
    TooManyAttempts(#[from] TooManyAttempts),
    #[error("the current password is wrong")]
    WrongCurrent,
    /// The person signs in elsewhere.
    #[error("this account has no password here")]
    NoPassword,
    #[error("the account was changed at the same time")]
    ChangedMeanwhile,
    #[error(transparent)]
    Password(#[from] PasswordPoolError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Debug)]
pub struct ChangePasswordInput {
    pub user_id: UserId,
    pub current: SecretString,
    pub new: SecretString,
    /// The session that asks; every other one ends.
    pub keep: Option<SessionId>,
    pub initiator: Initiator,
}

impl Core {
    pub async fn change_password(&self, input: ChangePasswordInput) -> Result<(), ChangePasswordError> {
        password::check_new(&input.new, &input.current)?;
        // A stolen session must not become a place to guess the password.
        let attempt =
            [AttemptKey::Account(input.initiator.user_name.clone()), AttemptKey::address(&input.initiator.address)];
        self.attempts.attempt(&attempt, self.now())?;
        let found = store::user::find_with_password(self.database.reader(), input.user_id).await?;
        let old_hash = found.and_then(|found| found.password_hash).ok_or(ChangePasswordError::NoPassword)?;
        if !self.passwords.verify(input.current.clone(), Some(old_hash.clone())).await? {
            self.note_wrong_current(&input).await?;
            return Err(ChangePasswordError::WrongCurrent);
        }
        self.attempts.forgive(&attempt);
        let new_hash = self.passwords.hash(input.new.clone()).await?;
        self.store_new_password(&input, &old_hash, new_hash).await
    }

    async fn store_new_password(
        &self,
        input: &ChangePasswordInput,
        old_hash: &str,
        new_hash: String,
    ) -> Result<(), ChangePasswordError> {
        let now = self.now();
        let transaction = self.database.begin().await?;
        let found = store::user::find_with_password(&transaction, input.user_id).await?;
        // What was checked must still be what is replaced: an admin may have reset the password since.
        let found = found.filter(|found| found.password_hash.as_deref() == Some(old_hash));
        let before = found.ok_or(ChangePasswordError::ChangedMeanwhile)?.user;
        let after = before.with_password_chosen(now);
        let updated = store::user::update(&transaction, &after, Some(new_hash)).await?;
        updated.map_err(|VersionMoved| ChangePasswordError::ChangedMeanwhile)?;
        store::session::delete_others(&transaction, input.user_id, input.keep).await?;
        let entry = input.initiator.user_entry("user.change_password", (Some(&before), &after), now);
        self.commit_user(transaction, &after, &entry).await?;
        Ok(())
    }

    async fn note_wrong_current(&self, input: &ChangePasswordInput) -> Result<(), StoreError> {
        let resource = ("user", input.user_id.to_string());
        let entry = input.initiator.entry("user.change_password", resource, AuditOutcome::Denied, self.now());
        let transaction = self.database.begin().await?;
        self.commit(transaction, vec![events::audit_record(&entry)]).await
    }
}
