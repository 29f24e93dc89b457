//! Credentials to callers, for the middleware of every service.

use std::sync::Arc;

use async_trait::async_trait;
use maas_store::StoreError;
use maas_types::Timestamp;
use maas_web::{Caller, CallerResolver, Credential, IdentityUnavailable, Via};
use secrecy::{ExposeSecret as _, SecretString};

use super::Core;
use crate::{
    domain::{
        session::{self, Session},
        user::User,
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
        Ok(Some(caller(user, Via::Session(session.id), must_change_password)))
    }

    /// Role and name come from the row, not from the claims: they may have changed since.
    async fn caller_of_token(&self, token: &SecretString) -> Result<Option<Caller>, StoreError> {
        let Some(claims) = self.signer.verify(token.expose_secret(), self.now()) else {
            return Ok(None);
        };
        let issued_at = Timestamp::from_unix_ms(claims.iat.saturating_mul(1_000));
        let user = store::user::find(self.database.reader(), claims.sub).await?;
        let user = user.filter(|user| user.accepts_token_of(issued_at));
        // The one-time password binds sessions only: the token of a first start must work before it was changed.
        Ok(user.map(|user| caller(user, Via::Token(claims.jti), false)))
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
}

fn caller(user: User, via: Via, must_change_password: bool) -> Caller {
    // There are no teams yet.
    let owned_teams = Vec::new();
    Caller { user_id: user.id, user_name: user.user_name, role: user.role, via, must_change_password, owned_teams }
}
