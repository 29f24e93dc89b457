//! The first half of signing in at a provider: the browser leaves with a state.

use maas_store::{StoreError, classify};

use maas_web::attempts::{AttemptKey, TooManyAttempts};
use reqwest::Url;
use secrecy::SecretString;

use super::{
    Core, chain,
    federation::{FederatedProvider, ProviderError},
};
use crate::{
    domain::{
        random::{self, RandomUnavailable},
        sign_in_attempt::{SignInAttempt, SignInFailure, digest},
    },
    metrics::LoginOutcome,
    store::{self, sign_in_attempt::AttemptKeys},
};

/// How many sign-ins may begin per client address: many people may share one, and each beginning costs a row.
pub const STARTS_A_MINUTE: u32 = 60;
/// Sign-ins under way at once; beyond it the oldest are forgotten.
const MOST_PENDING: u64 = 10_000;

#[derive(Debug)]
pub struct BeginSignInInput {
    /// Judged already.
    pub return_to: Url,
    /// What the browser has of an attempt before; a second tab goes on with it.
    pub browser: Option<SecretString>,
    pub address: String,
    pub request_id: String,
}

/// The browser may go.
#[derive(Debug)]
pub struct SignInBegun {
    pub authorization_url: Url,
    /// For the cookie: only with it the answer of the provider is taken.
    pub browser: SecretString,
}

#[derive(Debug, thiserror::Error)]
pub enum BeginSignInError {
    #[error(transparent)]
    TooManyAttempts(#[from] TooManyAttempts),
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Core {
    pub async fn begin_sign_in(
        &self,
        provider: &FederatedProvider,
        input: BeginSignInInput,
    ) -> Result<SignInBegun, BeginSignInError> {
        let result = self.begin_attempt(provider, &input).await;
        // One that begins is counted when it ends.
        match &result {
            Ok(_) => {}
            Err(BeginSignInError::TooManyAttempts(_)) => self.metrics.login(provider.id(), LoginOutcome::Limited),
            Err(error) => {
                self.metrics.login(provider.id(), LoginOutcome::Failed);
                let (provider, request) = (provider.id(), &input.request_id);
                tracing::warn!(
                    provider.id = provider,
                    request.id = request,
                    error = chain(error),
                    "a sign-in at a provider could not begin"
                );
            }
        }
        result
    }

    async fn begin_attempt(
        &self,
        provider: &FederatedProvider,
        input: &BeginSignInInput,
    ) -> Result<SignInBegun, BeginSignInError> {
        let now = self.now();
        self.sign_in_starts.attempt(&[AttemptKey::address(&input.address)], now)?;
        let attempt = SignInAttempt::begin(provider.id(), input.return_to.to_string(), now)?;
        let state = random::secret()?;
        let browser = input.browser.clone().map_or_else(random::secret, Ok)?;
        let redirect_url = self.callback_url(provider);
        let authorization_url = provider.authorization_url(&attempt, &state, &redirect_url, now).await?;
        let keys = AttemptKeys { state_digest: digest(&state), browser_digest: digest(&browser) };
        let transaction = self.database.begin().await?;
        store::sign_in_attempt::insert(&transaction, &attempt, keys, MOST_PENDING).await?;
        transaction.commit().await.map_err(classify)?;
        Ok(SignInBegun { authorization_url, browser })
    }

    /// Where a provider sends the browser back to; must be registered there.
    pub fn callback_url(&self, provider: &FederatedProvider) -> Url {
        let mut url = self.return_urls.own();
        url.set_path(&format!("/api/v1/auth/callback/{}", provider.id()));
        url
    }
}

impl BeginSignInError {
    pub fn failure(&self) -> SignInFailure {
        match self {
            Self::TooManyAttempts(_) => SignInFailure::TooManyAttempts,
            Self::Provider(error) => error.failure(),
            Self::Random(_) => SignInFailure::Internal,
            Self::Store(error) if error.is_transient() => SignInFailure::Unavailable,
            Self::Store(_) => SignInFailure::Internal,
        }
    }
}
