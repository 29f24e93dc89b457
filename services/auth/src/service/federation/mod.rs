//! Signing in at other people's identity providers. A provider that is away stops nobody but its own people: it is first
//! called when somebody wants to sign in there, and again at the next try.

mod calls;
mod error;
mod fetched;
mod oidc;
mod openshift;

use std::sync::atomic::{AtomicU8, Ordering};

use maas_http::ClientError;
use maas_types::Timestamp;
use prometheus_client::metrics::gauge::Gauge;
use reqwest::Url;
use secrecy::SecretString;

pub use self::error::ProviderError;
use self::{oidc::OidcProvider, openshift::OpenShiftProvider};
use crate::{
    domain::{
        federated::FederatedIdentity,
        provider::{Provider, ProviderKind, ProviderState},
        sign_in_attempt::SignInAttempt,
    },
    metrics::AuthMetrics,
    settings::providers::{FederatedKind, ProviderSettings},
};

/// A provider's settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    #[error("the client secret cannot be read: {0}")]
    ClientSecret(String),
    #[error("its url is not one")]
    Url,
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Every provider of the settings.
pub struct Federation(Vec<FederatedProvider>);

pub struct FederatedProvider {
    id: String,
    kind: ProviderKind,
    display_name: String,
    way: Way,
    state: AtomicU8,
    up: Gauge,
}

enum Way {
    Oidc(Box<OidcProvider>),
    OpenShift(Box<OpenShiftProvider>),
}

impl Federation {
    /// The error comes with the id of the provider.
    pub fn new(providers: &[ProviderSettings], metrics: &AuthMetrics) -> Result<Self, (String, SetUpError)> {
        let build = |settings: &ProviderSettings| {
            FederatedProvider::new(settings, metrics).map_err(|error| (settings.id.clone(), error))
        };
        providers.iter().map(build).collect::<Result<_, _>>().map(Self)
    }

    pub fn find(&self, id: &str) -> Option<&FederatedProvider> {
        self.0.iter().find(|provider| provider.id == id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &FederatedProvider> {
        self.0.iter()
    }
}

impl FederatedProvider {
    fn new(settings: &ProviderSettings, metrics: &AuthMetrics) -> Result<Self, SetUpError> {
        let way = match settings.kind {
            FederatedKind::Oidc => Way::Oidc(Box::new(OidcProvider::new(settings)?)),
            FederatedKind::OpenShift => Way::OpenShift(Box::new(OpenShiftProvider::new(settings)?)),
        };
        let up = metrics.provider_up(&settings.id);
        up.set(1);
        Ok(Self {
            id: settings.id.clone(),
            kind: settings.kind.into(),
            display_name: settings.shown_name(),
            way,
            state: AtomicU8::new(UNTRIED),
            up,
        })
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn kind(&self) -> ProviderKind {
        self.kind
    }

    pub fn shown(&self) -> Provider {
        let state = match self.state.load(Ordering::Relaxed) {
            READY => ProviderState::Ready,
            FAILING => ProviderState::Failing,
            _ => ProviderState::Untried,
        };
        Provider { id: self.id.clone(), kind: self.kind, display_name: self.display_name.clone(), state }
    }

    /// Where the browser goes to sign in. It comes back to `redirect_url`.
    pub async fn authorization_url(
        &self,
        attempt: &SignInAttempt,
        state: &SecretString,
        redirect_url: &Url,
        now: Timestamp,
    ) -> Result<Url, ProviderError> {
        self.noted(match &self.way {
            Way::Oidc(provider) => provider.authorization_url(attempt, state, redirect_url, now).await,
            Way::OpenShift(provider) => provider.authorization_url(attempt, state, redirect_url, now).await,
        })
    }

    /// Who came back with `code`.
    pub async fn identity(
        &self,
        code: &SecretString,
        attempt: &SignInAttempt,
        redirect_url: &Url,
        now: Timestamp,
    ) -> Result<FederatedIdentity, ProviderError> {
        self.noted(match &self.way {
            Way::Oidc(provider) => provider.identity(code, attempt, redirect_url, now).await,
            Way::OpenShift(provider) => provider.identity(code, attempt, redirect_url, now).await,
        })
    }

    /// Who an access token of this provider speaks for. Only OIDC providers whose settings name the audiences that are
    /// ours have such tokens; the tokens of a cluster are reviewed by the cluster.
    pub async fn identity_of_access_token(
        &self,
        token: &SecretString,
        now: Timestamp,
    ) -> Result<Option<FederatedIdentity>, ProviderError> {
        match &self.way {
            Way::Oidc(provider) => self.noted(provider.identity_of_access_token(token, now).await).map(Some),
            Way::OpenShift(_) => Ok(None),
        }
    }

    /// The issuer of this provider's people. A cluster is asked for it once.
    pub async fn issuer(&self, now: Timestamp) -> Result<String, ProviderError> {
        match &self.way {
            Way::Oidc(provider) => Ok(provider.issuer().to_owned()),
            Way::OpenShift(provider) => self.noted(provider.issuer(now).await),
        }
    }

    fn noted<T>(&self, result: Result<T, ProviderError>) -> Result<T, ProviderError> {
        // What a person or a token did wrong says nothing about the provider.
        let state = match &result {
            Ok(_) => READY,
            Err(error) if error.is_outage() => FAILING,
            Err(_) => return result,
        };
        self.state.store(state, Ordering::Relaxed);
        self.up.set(i64::from(state == READY));
        result
    }
}

const UNTRIED: u8 = 0;
const READY: u8 = 1;
const FAILING: u8 = 2;
