//! Signing in with a password.

use maas_store::StoreError;
use maas_web::attempts::{AttemptKey, TooManyAttempts};
use secrecy::SecretString;

use super::{Core, initiator::Initiator, password_pool::PasswordPoolError};
use crate::{
    domain::{
        audit::AuditOutcome,
        provider::LOCAL_PROVIDER,
        random::{self, RandomUnavailable},
        session::{self, Session, SessionClient},
        user::User,
    },
    events,
    metrics::LoginOutcome,
    store,
};

#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    #[error("sign-in with a password is switched off")]
    ProviderOff,
    #[error(transparent)]
    TooManyAttempts(#[from] TooManyAttempts),
    /// Unknown user, wrong password or disabled user: the caller does not learn which.
    #[error("user name or password is wrong")]
    Refused,
    #[error(transparent)]
    Password(#[from] PasswordPoolError),
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Debug)]
pub struct SignInInput {
    pub user_name: String,
    pub password: SecretString,
    pub client: SessionClient,
    /// The session that the browser presented; it ends, so that ids never outlive a change of who is signed in.
    pub replaced: Option<SecretString>,
    /// The request; who asks is not known yet.
    pub initiator: Initiator,
}

/// A session has begun; `secret` is the value of its cookie.
#[derive(Debug)]
pub struct SignedIn {
    pub user: User,
    pub secret: SecretString,
}

impl Core {
    pub async fn sign_in(&self, input: SignInInput) -> Result<SignedIn, SignInError> {
        let result = self.sign_in_locally(input).await;
        let outcome = match &result {
            Ok(_) => LoginOutcome::Success,
            Err(SignInError::Refused | SignInError::ProviderOff) => LoginOutcome::Refused,
            Err(SignInError::TooManyAttempts(_)) => LoginOutcome::Limited,
            Err(SignInError::Password(_) | SignInError::Random(_) | SignInError::Store(_)) => LoginOutcome::Failed,
        };
        self.metrics.login(LOCAL_PROVIDER, outcome);
        result
    }

    async fn sign_in_locally(&self, input: SignInInput) -> Result<SignedIn, SignInError> {
        if !self.settings.local.enabled {
            return Err(SignInError::ProviderOff);
        }
        let attempt = [AttemptKey::Account(input.user_name.clone()), AttemptKey::address(&input.client.address)];
        self.attempts.attempt(&attempt, self.now())?;
        let found = store::user::find_by_name_with_password(self.database.reader(), &input.user_name).await?;
        let (user, phc) = found.map_or((None, None), |found| (Some(found.user), found.password_hash));
        let matches = self.passwords.verify(input.password.clone(), phc.clone()).await?;
        if let (Some(user), Some(phc)) = (&user, &phc)
            && matches
            && user.is_active()
            && user.is_local()
            && let Some(signed_in) = self.begin_session(user.clone(), phc, &input).await?
        {
            self.attempts.forgive(&attempt);
            return Ok(signed_in);
        }
        self.note_refused(user, &input.initiator).await?;
        Err(SignInError::Refused)
    }

    /// None when the password or the status has changed since `phc` was read: checking a password takes long enough
    /// for that, and the session would outlive the change that ended all others.
    async fn begin_session(&self, user: User, phc: &str, input: &SignInInput) -> Result<Option<SignedIn>, SignInError> {
        let now = self.now();
        let secret = random::secret()?;
        let session = Session::begin(user.id, self.settings.session_lifetimes(), &input.client, now);
        let entry = input.initiator.acting_as(&user).entry(
            "session.create",
            ("session", session.id.to_string()),
            AuditOutcome::Success,
            now,
        );
        let transaction = self.database.begin().await?;
        if !store::user::note_sign_in(&transaction, user.id, phc, now).await? {
            return Ok(None);
        }
        if let Some(replaced) = &input.replaced {
            store::session::delete_by_digest(&transaction, session::digest(replaced)).await?;
        }
        store::session::insert(&transaction, &session, session::digest(&secret)).await?;
        self.commit(transaction, vec![events::audit_record(&entry)]).await?;
        Ok(Some(SignedIn { user: User { last_sign_in_at: Some(now), ..user }, secret }))
    }

    /// A name that belongs to nobody is not written down: people type passwords into the wrong field.
    async fn note_refused(&self, user: Option<User>, initiator: &Initiator) -> Result<(), StoreError> {
        let resource = user.as_ref().map(|user| user.id.to_string()).unwrap_or_default();
        let named = Initiator { user_name: user.map(|user| user.user_name).unwrap_or_default(), ..initiator.clone() };
        let entry = named.entry("session.create", ("user", resource), AuditOutcome::Denied, self.now());
        let transaction = self.database.begin().await?;
        self.commit(transaction, vec![events::audit_record(&entry)]).await
    }
}
