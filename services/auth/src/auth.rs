//! The service as a process composes it.

use std::{sync::Arc, time::Duration};

use actix_web::web;
use maas_bus::SharedBus;
use maas_revocation::{OwnerName, owner::RevocationOwner};
use maas_runtime::{exit::StartError, process::Process};
use maas_store::{
    Database,
    outbox::{Outbox, OutboxSignal},
};
use maas_tokens::{Audience, TokenKeys};
use maas_types::UserId;
use maas_web::attempts::AttemptLimiter;
use maas_web::{SharedCallerResolver, export::ExportSlots};
use secrecy::SecretString;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    app::{self, AuthState},
    domain::{key_ring::ConfiguredKeys, provider::LOCAL_PROVIDER},
    metrics::AuthMetrics,
    service::{
        Core,
        begin_sign_in::STARTS_A_MINUTE,
        federation::Federation,
        first_admin::{FirstAdmin, FirstAdminError},
        initiator::Initiator,
        password_pool::PasswordPool,
        revoked_users::RevokedUsers,
        signing_keys::SigningKeys,
        tasks,
        token_review::TokenReviewer,
        tokens::TokenError,
    },
    settings::AuthSettings,
};

/// Sign-in attempts a minute, per account and per client address.
const ATTEMPTS_A_MINUTE: u32 = 10;
/// Tokens of other issuers that are refused a minute, per client address; guessing among 2^128 and more is hopeless, so
/// that this protects the providers from the noise.
const REFUSED_EXCHANGES_A_MINUTE: u32 = 100;

/// Exports and checks of the audit book that run at once.
const AUDIT_FILES: usize = 8;

#[derive(Debug, thiserror::Error)]
#[error("a control token cannot be issued")]
pub struct ControlTokenError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// The running service; clones share it.
#[derive(Clone)]
pub struct Auth {
    core: Arc<Core>,
}

impl Auth {
    /// Registers metrics and readiness checks and spawns the background tasks. The schema must be up to date.
    pub async fn start(
        settings: AuthSettings,
        database: Database,
        bus: SharedBus,
        process: &Process,
    ) -> Result<Self, StartError> {
        let internal = |error: &dyn std::fmt::Display| StartError::Internal(anyhow::anyhow!("auth: {error}"));
        let previous = settings.previous_signing_key.is_set().then(|| settings.previous_signing_key.expose());
        let configured = ConfiguredKeys::parse(settings.signing_key.expose(), previous).map_err(|error| {
            StartError::unavailable("the signing key of auth", error, "set auth.signing_key or auth.signing_key_file")
        })?;
        let signing = SigningKeys::new(settings.issuer(), configured).map_err(|error| internal(&error))?;
        let return_urls = settings.parsed_return_urls().map_err(|error| {
            StartError::unavailable("the return addresses", error, "check http.public_url and auth.return_urls")
        })?;
        let ids = settings.providers.iter().map(|provider| provider.id.as_str());
        let ids: Vec<&str> = std::iter::once(LOCAL_PROVIDER).chain(ids).collect();
        let metrics = AuthMetrics::register(&process.metrics, &ids).map_err(|error| internal(&error))?;
        let federation = Federation::new(&settings.providers, &metrics).map_err(|(id, error)| {
            StartError::unavailable(format!("the identity provider {id}"), error, "check its entry in auth.providers")
        })?;
        let revoked = RevokedUsers(database.clone());
        let revocations = RevocationOwner::new(OwnerName::Auth, database.clone(), process.clock.clone(), revoked);
        let core = Arc::new(Core {
            revocations,
            signing,
            token_reviewers: token_reviewers(&settings)?,
            refused_exchanges: AttemptLimiter::new(REFUSED_EXCHANGES_A_MINUTE),
            database,
            clock: process.clock.clone(),
            passwords: PasswordPool::new().map_err(|error| internal(&error))?,
            attempts: AttemptLimiter::new(ATTEMPTS_A_MINUTE),
            sign_in_starts: AttemptLimiter::new(STARTS_A_MINUTE),
            metrics,
            federation,
            return_urls,
            outbox: OutboxSignal::default(),
            export_slots: ExportSlots::new(AUDIT_FILES),
            bus: bus.clone(),
            settings,
        });
        core.prepare_signing_keys().await.map_err(|error| {
            StartError::unavailable("the signing keys of auth", error, "check auth.signing_key and the database")
        })?;
        let told = core.revocations.start(&bus, process).await;
        told.map_err(|error| StartError::unavailable("answering proxies on the bus", error, ""))?;
        tasks::spawn(&core, &bus, process);
        Ok(Self { core })
    }

    /// The state and the public resources; called once per worker.
    pub fn configure(&self, services: &mut ServiceConfig<'_>) {
        services.app_data(web::Data::new(AuthState::new(self.core.clone())));
        app::routes(services);
    }

    /// The resources of the internal listener; they need `maas_web::internal::InternalTokens` as app data.
    pub fn configure_internal(&self, services: &mut web::ServiceConfig) {
        services.app_data(web::Data::new(AuthState::new(self.core.clone())));
        app::internal_routes(services);
    }

    /// Resolves callers without a network in between, for the process that auth lives in.
    pub fn resolver(&self) -> SharedCallerResolver {
        Arc::new(AuthState::new(self.core.clone()).resolver())
    }

    /// Where records of refused calls go.
    pub fn outbox(&self) -> Outbox {
        Outbox::new(self.core.database.clone(), self.core.outbox.clone())
    }

    /// Creates the first admin, with a one-time password, when there is no user at all; else finds the oldest active
    /// admin.
    pub async fn ensure_first_admin(&self) -> Result<FirstAdmin, FirstAdminError> {
        self.core.ensure_first_admin().await
    }

    /// What access tokens are verified with, for the data plane of the process that auth lives in.
    pub fn token_keys(&self) -> TokenKeys {
        self.core.signing.public()
    }

    /// A token for the control plane that the process itself asks for, e.g. to set itself up.
    pub async fn issue_control_token(&self, user_id: UserId, ttl: Duration) -> Result<SecretString, ControlTokenError> {
        let issued = self.core.issue_token(user_id, (Audience::Control, ttl), &Initiator::system()).await;
        issued.map(|issued| issued.token).map_err(|error: TokenError| ControlTokenError(Box::new(error)))
    }
}

/// The clusters whose tokens can be exchanged.
fn token_reviewers(settings: &AuthSettings) -> Result<Vec<TokenReviewer>, StartError> {
    let reviewers = settings.providers.iter().filter_map(|provider| TokenReviewer::from_settings(provider).transpose());
    reviewers.collect::<Result<_, _>>().map_err(|error| {
        StartError::unavailable("exchanging tokens of clusters", error, "check reviewer_token_file in auth.providers")
    })
}
