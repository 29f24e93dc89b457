//! Credentials to callers, for the middleware of every service.

use std::sync::Arc;

use async_trait::async_trait;
use maas_store::StoreError;
use maas_tokens::Audience;
use maas_types::Timestamp;
use maas_web::{Caller, CallerResolver, Credential, IdentityUnavailable, Via, caller::TeamMembership};
use secrecy::{ExposeSecret as _, SecretString};

use super::Core;
use crate::{
    domain::{
        session::{self, Session},
        user::User,
        user_facts::effective_teams,
    },
    metrics::ValidationOutcome,
    store,
};

/// Resolves from this service's own tables; nothing is cached, so that an ended session is refused at once.
#[derive(Clone)]
pub struct LocalCallerResolver(pub Arc<Core>);

#[async_trait]
impl CallerResolver for LocalCallerResolver {
    async fn resolve(&self, credential: &Credential) -> Result<Option<Caller>, IdentityUnavailable> {
        let (kind, resolved) = match credential {
            Credential::Session(secret) => ("session", self.0.caller_of_session(secret).await),
            Credential::Token(token) => ("token", self.0.caller_of_token(token).await),
        };
        let outcome = match &resolved {
            Ok(Some(_)) => ValidationOutcome::Valid,
            Ok(None) => ValidationOutcome::Invalid,
            Err(_) => ValidationOutcome::Failed,
        };
        self.0.metrics.validation(kind, outcome);
        resolved.map_err(|error| IdentityUnavailable(Box::new(error)))
    }
}

impl Core {
    async fn caller_of_session(&self, secret: &SecretString) -> Result<Option<Caller>, StoreError> {
        let now = self.now();
        let found = store::session::find_by_digest(self.database.reader(), session::digest(secret)).await?;
        let Some(session) = found.filter(|session| session.is_alive(self.settings.session_lifetimes(), now)) else {
            return Ok(None);
        };
        let user = store::user::find(self.database.reader(), session.user_id).await?;
        let Some(user) = user.filter(User::is_active) else {
            return Ok(None);
        };
        self.note_use(&session, now).await;
        let must_change_password = user.must_change_password;
        Ok(Some(self.caller(user, Via::Session(session.id), must_change_password).await?))
    }

    /// Role and name come from the row, not from the claims: they may have changed since.
    async fn caller_of_token(&self, token: &SecretString) -> Result<Option<Caller>, StoreError> {
        let audiences = [Audience::Control, Audience::Inference];
        let Ok(claims) = self.signing.ring().verify(token.expose_secret(), &audiences, self.now()) else {
            return Ok(None);
        };
        let db = self.database.reader();
        let user = store::user::find(db, claims.sub).await?;
        let user = user.filter(|user| user.accepts_token_of(claims.issued_at()));
        if user.is_none() || store::revoked_token::is_revoked(db, claims.sub, claims.jti).await? {
            return Ok(None);
        }
        let via = match claims.aud {
            Audience::Control => Via::Token(claims.jti),
            Audience::Inference => Via::InferenceToken(claims.jti),
        };
        // The one-time password binds sessions only: the token of a first start must work before it was changed.
        match user {
            Some(user) => Ok(Some(self.caller(user, via, false).await?)),
            None => Ok(None),
        }
    }

    /// A read must not fail because its time cannot be written; the worst is that the session idles out early.
    async fn note_use(&self, session: &Session, now: Timestamp) {
        if !session.needs_touch(now) {
            return;
        }
        if let Err(error) = store::session::touch(self.database.writer(), session.id, now).await {
            tracing::warn!(session.id = %session.id, error = %error, "the use of a session could not be noted");
        }
    }

    async fn caller(&self, user: User, via: Via, must_change_password: bool) -> Result<Caller, StoreError> {
        let rows = store::team_member::of_users(self.database.reader(), &[user.id]).await?.remove(&user.id);
        let teams = effective_teams(&rows.unwrap_or_default()).into_iter();
        let teams = teams.map(|(team_id, role)| TeamMembership { team_id, role }).collect();
        Ok(Caller { user_id: user.id, user_name: user.user_name, role: user.role, via, must_change_password, teams })
    }
}
