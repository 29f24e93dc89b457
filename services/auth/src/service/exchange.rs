//! Exchanging somebody else's token for one of ours: whose it is, and the person behind it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use maas_tokens::looks_like_token;
use maas_types::Timestamp;
use maas_web::attempts::{AttemptKey, TooManyAttempts};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{
    Core,
    admit::AdmitError,
    federation::ProviderError,
    initiator::Initiator,
    token_review::{ReviewError, TokenReviewer},
};
use crate::{
    domain::{federated::FederatedIdentity, provider::ProviderKind, user::User},
    metrics::ValidationOutcome,
};

#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// No provider says whose it is. What exactly is wrong with a token is nobody's business but its issuer's.
    #[error("the token is not accepted")]
    NotAccepted,
    #[error("name the provider whose token it is")]
    ProviderNeeded,
    #[error(transparent)]
    TooManyRefused(#[from] TooManyAttempts),
    #[error("the provider cannot be asked")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Admit(#[from] AdmitError),
}

/// The only claim that is looked at before anything is verified, to find out who can verify it.
#[derive(Deserialize)]
struct UnverifiedIssuer {
    iss: String,
}

impl Core {
    /// Whether the token claims to be one of ours.
    pub fn claims_to_be_ours(&self, unverified: &SecretString) -> bool {
        unverified_issuer(unverified).is_some_and(|issuer| issuer == self.signing.issuer())
    }

    /// The person whose token of another issuer this is, with the rights that their groups give them now. Refusals are
    /// counted per address, so that tokens cannot be guessed at the providers through here.
    pub async fn holder_of_foreign_token(
        &self,
        token: &SecretString,
        provider: Option<&str>,
        initiator: &Initiator,
    ) -> Result<User, ExchangeError> {
        let now = self.now();
        let address = [AttemptKey::address(&initiator.address)];
        self.refused_exchanges.attempt(&address, now)?;
        let identity = self.foreign_identity(token, provider, now).await;
        self.metrics.validation(
            "exchange",
            match &identity {
                Ok(_) => ValidationOutcome::Valid,
                Err(ExchangeError::Unavailable(_)) => ValidationOutcome::Failed,
                Err(_) => ValidationOutcome::Invalid,
            },
        );
        if !matches!(identity, Err(ExchangeError::NotAccepted)) {
            self.refused_exchanges.forgive(&address);
        }
        Ok(self.admit_federated(&identity?, initiator).await?)
    }

    async fn foreign_identity(
        &self,
        token: &SecretString,
        provider: Option<&str>,
        now: Timestamp,
    ) -> Result<FederatedIdentity, ExchangeError> {
        let issuer = unverified_issuer(token);
        if let Some(issuer) = issuer.as_deref().filter(|_| provider.is_none_or(|id| !self.reviews(id))) {
            for candidate in self.federation.iter().filter(|candidate| candidate.kind() == ProviderKind::Oidc) {
                let is_asked_for = provider.is_none_or(|id| id == candidate.id());
                if is_asked_for && candidate.issuer(now).await.is_ok_and(|of_candidate| of_candidate == issuer) {
                    let identity = candidate.identity_of_access_token(token, now).await.map_err(of_provider)?;
                    return identity.ok_or(ExchangeError::NotAccepted);
                }
            }
        }
        let reviewer = self.reviewer(provider)?;
        reviewer.identity(token, &self.federation, now).await.map_err(of_review)
    }

    fn reviews(&self, provider: &str) -> bool {
        self.token_reviewers.iter().any(|reviewer| reviewer.provider_id == provider)
    }

    /// A token is shown to one cluster only: another one could use it.
    fn reviewer(&self, provider: Option<&str>) -> Result<&TokenReviewer, ExchangeError> {
        match (provider, self.token_reviewers.as_slice()) {
            (Some(id), reviewers) => {
                let named = reviewers.iter().find(|reviewer| reviewer.provider_id == id);
                named.ok_or(ExchangeError::NotAccepted)
            }
            (None, [only]) => Ok(only),
            (None, []) => Err(ExchangeError::NotAccepted),
            (None, _) => Err(ExchangeError::ProviderNeeded),
        }
    }
}

fn of_provider(error: ProviderError) -> ExchangeError {
    if error.is_outage() { ExchangeError::Unavailable(Box::new(error)) } else { ExchangeError::NotAccepted }
}

fn of_review(error: ReviewError) -> ExchangeError {
    match error {
        ReviewError::NotAuthenticated | ReviewError::Audience | ReviewError::NoUid => ExchangeError::NotAccepted,
        ReviewError::Busy | ReviewError::Unavailable(_) => ExchangeError::Unavailable(Box::new(error)),
        ReviewError::Provider(error) => of_provider(error),
    }
}

fn unverified_issuer(token: &SecretString) -> Option<String> {
    let token = token.expose_secret();
    let payload = looks_like_token(token.as_bytes()).then(|| token.split('.').nth(1))??;
    let claims = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice::<UnverifiedIssuer>(&claims).ok().map(|claims| claims.iss)
}
