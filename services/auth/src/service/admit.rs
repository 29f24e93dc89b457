//! Letting in people whom a provider introduces: at a sign-in, and at the exchange of one of its tokens.
//!
//! One transaction finds or creates the person, takes over their groups, works out their rights, and tells of it all.
//! Two that introduce the same new person at once: the unique (issuer, subject) lets one create, the other finds.

use maas_store::StoreError;
use maas_types::Timestamp;
use sea_orm::DatabaseTransaction;
use secrecy::SecretString;

use super::{Core, audited, effects::Effects, initiator::Initiator, people, sign_in::SignedIn};
use crate::{
    domain::{
        federated::{FederatedIdentity, MalformedIdentity},
        group_mapping::GroupRules,
        random::{self, RandomUnavailable},
        session::{self, Session, SessionClient},
        user::User,
        user_facts::UserFacts,
        user_status::UserStatus,
    },
    events, store,
};

/// How often a race with another one for the same person or name is run again.
const ATTEMPTS: usize = 5;

#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    #[error(transparent)]
    Malformed(#[from] MalformedIdentity),
    /// None of the person's groups is among those that may come in.
    #[error("the person is in none of the groups that may sign in")]
    NotAllowed,
    #[error("the person is disabled")]
    Disabled,
    /// Nothing was done; the same call may succeed now.
    #[error("the person was changed at the same time, again and again")]
    Contended,
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// From where somebody signs in.
#[derive(Debug)]
pub struct SignInClient {
    pub client: SessionClient,
    /// The session that the browser presented; it ends, so that ids never outlive a change of who is signed in.
    pub replaced: Option<SecretString>,
    /// The request; who asks is not known yet.
    pub initiator: Initiator,
}

/// A person who may come in, inside the transaction that found them.
struct Admitted {
    user: User,
    effects: Effects,
}

impl Core {
    /// A session for the person, with the rights that they have now.
    pub async fn sign_in_federated(
        &self,
        identity: &FederatedIdentity,
        by: &SignInClient,
    ) -> Result<SignedIn, AdmitError> {
        let identity = identity.checked()?;
        for _ in 0..ATTEMPTS {
            match self.try_sign_in(&identity, by).await {
                Err(AdmitError::Store(StoreError::Duplicate(_) | StoreError::Conflict(_))) => {}
                done => return done,
            }
        }
        Err(AdmitError::Contended)
    }

    /// The person with the rights that they have now, without a session. When nothing has changed since, that is two
    /// reads and no transaction.
    pub async fn admit_federated(
        &self,
        identity: &FederatedIdentity,
        initiator: &Initiator,
    ) -> Result<User, AdmitError> {
        let identity = identity.checked()?;
        if let Some(user) = self.unchanged(&identity).await? {
            return Ok(user);
        }
        for _ in 0..ATTEMPTS {
            match self.try_admit(&identity, initiator).await {
                Err(AdmitError::Store(StoreError::Duplicate(_) | StoreError::Conflict(_))) => {}
                done => return done,
            }
        }
        Err(AdmitError::Contended)
    }

    /// Rights follow changes of mappings at once, so that whoever comes with the groups they had has the rights they
    /// have.
    async fn unchanged(&self, identity: &FederatedIdentity) -> Result<Option<User>, StoreError> {
        let db = self.database.reader();
        let found = store::user_identity::find_by_identity(db, &identity.issuer, &identity.subject).await?;
        let Some(user) = found.filter(|user| user.is_active() && self.lets_in(identity)) else { return Ok(None) };
        let groups = store::user_group::of_users(db, &[user.id]).await?.remove(&user.id).unwrap_or_default();
        Ok((groups == identity.groups && user.introduced(identity) == user).then_some(user))
    }

    async fn try_sign_in(&self, identity: &FederatedIdentity, by: &SignInClient) -> Result<SignedIn, AdmitError> {
        let now = self.now();
        let secret = random::secret()?;
        let (transaction, admitted) = self.admit(identity, &by.initiator, now).await?;
        let Admitted { user, mut effects } = admitted;
        let session = Session::begin(user.id, self.settings.session_lifetimes(), &by.client, now);
        store::user::note_federated_sign_in(&transaction, user.id, now).await?;
        if let Some(replaced) = &by.replaced {
            store::session::delete_by_digest(&transaction, session::digest(replaced)).await?;
        }
        store::session::insert(&transaction, &session, session::digest(&secret)).await?;
        let resource = ("session", session.id.to_string());
        effects.tell.push(audited::change(
            &by.initiator.acting_as(&user),
            "session.create",
            resource,
            (None, None),
            now,
        ));
        self.commit_effects(transaction, effects).await?;
        Ok(SignedIn { user: User { last_sign_in_at: Some(now), ..user }, secret })
    }

    async fn try_admit(&self, identity: &FederatedIdentity, initiator: &Initiator) -> Result<User, AdmitError> {
        let (transaction, admitted) = self.admit(identity, initiator, self.now()).await?;
        self.commit_effects(transaction, admitted.effects).await?;
        Ok(admitted.user)
    }

    /// The transaction has what is new of the person and is not committed. Somebody who may not come in loses what
    /// their groups no longer give all the same; that is committed.
    async fn admit(
        &self,
        identity: &FederatedIdentity,
        initiator: &Initiator,
        now: Timestamp,
    ) -> Result<(DatabaseTransaction, Admitted), AdmitError> {
        let transaction = self.database.begin().await?;
        store::group_mapping::hold(&transaction).await?;
        let known = known(&transaction, identity).await?;
        let (is_allowed, is_known) = (self.lets_in(identity), known.is_some());
        if known.as_ref().is_some_and(|known| known.user.status == UserStatus::Disabled) || !(is_allowed || is_known) {
            let error = if is_known { AdmitError::Disabled } else { AdmitError::NotAllowed };
            let person = known.map(|known| known.user);
            self.note_refused_person(transaction, person, initiator, now).await?;
            return Err(error);
        }
        let admitted = match known {
            Some(before) => self.welcome_back(&transaction, before, identity, initiator, now).await?,
            None => self.welcome(&transaction, identity, initiator, now).await?,
        };
        if is_allowed {
            return Ok((transaction, admitted));
        }
        let Admitted { user, mut effects } = admitted;
        effects.tell.push(refused(Some(user), initiator, now));
        self.commit_effects(transaction, effects).await?;
        Err(AdmitError::NotAllowed)
    }

    fn lets_in(&self, identity: &FederatedIdentity) -> bool {
        identity.is_allowed(self.settings.allowed_groups_of(&identity.provider_id))
    }

    async fn welcome_back(
        &self,
        transaction: &DatabaseTransaction,
        before: UserFacts,
        identity: &FederatedIdentity,
        initiator: &Initiator,
        now: Timestamp,
    ) -> Result<Admitted, AdmitError> {
        let comes_first = before.user.status == UserStatus::Invited;
        let introduced =
            UserFacts { user: before.user.introduced(identity), groups: identity.groups.clone(), ..before.clone() };
        let mappings = store::group_mapping::all(transaction).await?;
        let after = introduced.evaluated(self.group_rules(&mappings), now);
        let Some(after) = people::write(transaction, &before, after, now).await? else {
            return Ok(Admitted { user: before.user, effects: Effects::default() });
        };
        let action = if comes_first { "user.join" } else { "user.introduce" };
        let shown = (Some(audited::facts(&before)), Some(audited::facts(&after)));
        let who = initiator.acting_as(&after.user);
        let record = audited::change(&who, action, ("user", after.user.id.to_string()), shown, now);
        let effects = people::effects_of(&before, &after, record);
        Ok(Admitted { user: after.user, effects })
    }

    async fn welcome(
        &self,
        transaction: &DatabaseTransaction,
        identity: &FederatedIdentity,
        initiator: &Initiator,
        now: Timestamp,
    ) -> Result<Admitted, AdmitError> {
        let name = people::name_for(transaction, identity.name_candidates(), now).await?;
        let user = User::new_federated(identity, name, now);
        let mappings = store::group_mapping::all(transaction).await?;
        let facts = UserFacts { groups: identity.groups.clone(), ..UserFacts::new(user) };
        let facts = people::insert(transaction, facts.evaluated(self.group_rules(&mappings), now), None).await?;
        let who = initiator.acting_as(&facts.user);
        let resource = ("user", facts.user.id.to_string());
        let record = audited::change(&who, "user.create", resource, (None, Some(audited::facts(&facts))), now);
        let tell = vec![events::user_state(&facts), record];
        Ok(Admitted { user: facts.user, effects: Effects { tell, ..Effects::default() } })
    }

    async fn note_refused_person(
        &self,
        transaction: DatabaseTransaction,
        user: Option<User>,
        initiator: &Initiator,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.commit(transaction, vec![refused(user, initiator, now)]).await
    }

    pub(super) fn group_rules<'a>(
        &'a self,
        mappings: &'a [crate::domain::group_mapping::GroupMapping],
    ) -> GroupRules<'a> {
        GroupRules { mappings, bootstrap_admins: &self.settings.bootstrap_admins }
    }
}

/// By issuer and subject, else by the name under which an admin expects them. Their row is locked.
async fn known(
    transaction: &DatabaseTransaction,
    identity: &FederatedIdentity,
) -> Result<Option<UserFacts>, StoreError> {
    let by_identity = store::user_identity::lock_by_identity(transaction, &identity.issuer, &identity.subject).await?;
    let user = match by_identity {
        Some(user) => Some(user),
        None => store::user_identity::lock_invited(transaction, &identity.issuer, &identity.user_name).await?,
    };
    match user {
        Some(user) => store::user_facts::load_one(transaction, user).await,
        None => Ok(None),
    }
}

fn refused(user: Option<User>, initiator: &Initiator, now: Timestamp) -> maas_events::Delivery {
    let resource = ("user", user.as_ref().map(|user| user.id.to_string()).unwrap_or_default());
    let who = user.map_or_else(|| initiator.clone(), |user| initiator.acting_as(&user));
    audited::refusal(&who, "session.create", resource, now)
}
