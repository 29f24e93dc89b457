//! People, as admins manage them.

use maas_revocation::owner::Confirmation;
use maas_store::StoreError;
use maas_types::{PageLimit, Role, Timestamp, UserId};
use sea_orm::DatabaseTransaction;
use secrecy::SecretString;

use super::{Core, audited, effects::Effects, initiator::Initiator, password_pool::PasswordPoolError, people};
use crate::{
    domain::{
        password,
        random::RandomUnavailable,
        user::{LastAdmin, User, UserChange, keep_an_admin},
        user_facts::{UserFacts, default_team},
        user_status::UserKind,
    },
    events,
    store::{
        self,
        user::VersionMoved,
        user_list::{UserFilter, UserOrder, UserPosition},
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
    #[error("a service account has no role of its own")]
    ServiceAccountRole,
    /// They are in no such team, or only watch it.
    #[error("the user is neither owner nor member of this team")]
    NotInTeam,
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

/// A user after a change.
#[derive(Debug)]
pub struct ChangedUser {
    pub user: User,
    /// Whom of the proxies have taken over what was taken away; `None` when nothing was.
    pub confirmation: Option<Confirmation>,
}

impl Core {
    pub async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        store::user::find(self.database.reader(), id).await
    }

    /// With groups and teams.
    pub async fn user_facts(&self, id: UserId) -> Result<Option<UserFacts>, StoreError> {
        match self.user(id).await? {
            Some(user) => store::user_facts::load_one(self.database.reader(), user).await,
            None => Ok(None),
        }
    }

    /// One more than `limit` if there is a next page.
    pub async fn users(
        &self,
        filter: &UserFilter,
        order: UserOrder,
        limit: PageLimit,
        after: Option<UserPosition>,
    ) -> Result<Vec<User>, StoreError> {
        store::user_list::list(self.database.reader(), filter, order, limit, after).await
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
        let user = self.insert_user(user, Some(hash), initiator, now).await?;
        Ok(WithOneTimePassword { user, one_time_password })
    }

    /// A user without groups; a taken name is told apart from other duplicates by whoever calls.
    pub(super) async fn insert_user(
        &self,
        user: User,
        password_hash: Option<String>,
        initiator: &Initiator,
        now: Timestamp,
    ) -> Result<User, UserError> {
        let transaction = self.database.begin().await?;
        let inserted = people::insert(&transaction, UserFacts::new(user), password_hash).await;
        let facts = inserted.map_err(|error| match error {
            StoreError::Duplicate(_) => UserError::NameTaken,
            error => UserError::Store(error),
        })?;
        let resource = ("user", facts.user.id.to_string());
        let record = audited::change(initiator, "user.create", resource, (None, Some(audited::user(&facts.user))), now);
        let tell = vec![events::user_state(&facts), record];
        self.commit_effects(transaction, Effects { tell, ..Effects::default() }).await?;
        Ok(facts.user)
    }

    /// `seen` is the version that the admin looked at, if they say so. Disabling somebody ends their sessions, tokens
    /// and keys.
    pub async fn update_user(
        &self,
        id: UserId,
        change: &UserChange,
        seen: Option<u64>,
        initiator: &Initiator,
    ) -> Result<ChangedUser, UserError> {
        let now = self.now();
        let transaction = self.database.begin().await?;
        let before = find_seen(&transaction, id, seen).await?;
        if change.role.is_some() && before.kind == UserKind::ServiceAccount {
            return Err(UserError::ServiceAccountRole);
        }
        let Some(after) = before.changed(change, now) else {
            return Ok(ChangedUser { user: before, confirmation: None });
        };
        check_default_team(&transaction, &after, change).await?;
        keep_an_active_admin(&transaction, &before, &after).await?;
        let updated = store::user::update(&transaction, &after, None).await?;
        updated.map_err(|VersionMoved| moved(seen))?;
        if before.is_active() && !after.is_active() {
            store::session::delete_others(&transaction, id, None).await?;
        }
        let shown = (Some(audited::user(&before)), Some(audited::user(&after)));
        let record = audited::change(initiator, "user.update", ("user", id.to_string()), shown, now);
        self.commit_changed(transaction, &before, after, record).await
    }

    /// The person is forgotten; the id stays, since usage and the audit book name it. Their sessions, tokens and keys
    /// end.
    pub async fn delete_user(
        &self,
        id: UserId,
        seen: Option<u64>,
        initiator: &Initiator,
    ) -> Result<ChangedUser, UserError> {
        let transaction = self.database.begin().await?;
        let before = find_seen(&transaction, id, seen).await?;
        self.erase_user(transaction, before, seen, initiator).await
    }

    pub(super) async fn erase_user(
        &self,
        transaction: DatabaseTransaction,
        before: User,
        seen: Option<u64>,
        initiator: &Initiator,
    ) -> Result<ChangedUser, UserError> {
        let now = self.now();
        let (id, after) = (before.id, before.deleted(now));
        keep_an_active_admin(&transaction, &before, &after).await?;
        let erased = store::user::erase(&transaction, &after).await?;
        erased.map_err(|VersionMoved| moved(seen))?;
        store::session::delete_others(&transaction, id, None).await?;
        store::user_group::replace(&transaction, id, &[]).await?;
        store::team_member::delete_of_users(&transaction, &[id]).await?;
        // Without what the person was: the entry stays for as long as the book does.
        let kind = if after.kind == UserKind::ServiceAccount { "service-account.delete" } else { "user.delete" };
        let record = audited::change(initiator, kind, ("user", id.to_string()), (None, None), now);
        self.commit_changed(transaction, &before, after, record).await
    }

    async fn commit_changed(
        &self,
        transaction: DatabaseTransaction,
        before: &User,
        after: User,
        record: maas_events::Delivery,
    ) -> Result<ChangedUser, UserError> {
        let mut effects = self.user_effects(&transaction, &after, record).await?;
        if before.loses_rights(&after) || after.is_deleted() {
            effects.lost.push(after.id);
        }
        let mark = self.commit_effects(transaction, effects).await?;
        Ok(ChangedUser { user: after, confirmation: self.confirmed(mark).await })
    }

    /// Ends all sessions and tokens of the user; they have to choose a password at the next sign-in.
    pub async fn reset_password(&self, id: UserId, initiator: &Initiator) -> Result<WithOneTimePassword, UserError> {
        let one_time_password = password::one_time()?;
        let hash = self.passwords.hash(one_time_password.clone()).await?;
        let now = self.now();
        let transaction = self.database.begin().await?;
        let before = store::user::lock(&transaction, id).await?.ok_or(UserError::NotFound)?;
        if !before.is_local() {
            return Err(UserError::NoPassword);
        }
        let user = before.with_password_reset(now);
        let updated = store::user::update(&transaction, &user, Some(hash)).await?;
        updated.map_err(|VersionMoved| UserError::ChangedMeanwhile)?;
        store::session::delete_others(&transaction, id, None).await?;
        let shown = (Some(audited::user(&before)), Some(audited::user(&user)));
        let record = audited::change(initiator, "user.reset_password", ("user", id.to_string()), shown, now);
        let effects = self.user_effects(&transaction, &user, record).await?;
        // The tokens of before end at the proxies, too.
        self.commit_effects(transaction, Effects { lost: vec![id], ..effects }).await?;
        Ok(WithOneTimePassword { user, one_time_password })
    }
}

/// The user at the version that the admin looked at. Not locked: writing checks the version, and who may take the last
/// admin away locks all admins in one order before anything else.
pub(super) async fn find_seen(
    transaction: &DatabaseTransaction,
    id: UserId,
    seen: Option<u64>,
) -> Result<User, UserError> {
    let user = store::user::find(transaction, id).await?.ok_or(UserError::NotFound)?;
    if seen.is_some_and(|seen| seen != user.version) { Err(UserError::VersionMoved) } else { Ok(user) }
}

const fn moved(seen: Option<u64>) -> UserError {
    match seen {
        Some(_) => UserError::VersionMoved,
        None => UserError::ChangedMeanwhile,
    }
}

async fn keep_an_active_admin(transaction: &DatabaseTransaction, before: &User, after: &User) -> Result<(), UserError> {
    if before.is_active_admin() && !after.is_active_admin() {
        let others = store::user::lock_other_active_admins(transaction, before.id).await?;
        keep_an_admin(before, after, others)?;
    }
    Ok(())
}

/// Whoever has a default team may use it.
async fn check_default_team(
    transaction: &DatabaseTransaction,
    after: &User,
    change: &UserChange,
) -> Result<(), UserError> {
    let Some(team) = change.default_team else { return Ok(()) };
    let facts = store::user_facts::load_one(transaction, after.clone()).await?;
    let teams = facts.map(|facts| facts.teams()).unwrap_or_default();
    if default_team(Some(team), &teams) == Some(team) { Ok(()) } else { Err(UserError::NotInTeam) }
}
