//! The service as a process composes it.

use std::{sync::Arc, time::Duration};

use actix_web::web;
use maas_bus::SharedBus;
use maas_runtime::{exit::StartError, process::Process};
use maas_store::{Database, outbox::OutboxSignal};
use maas_types::UserId;
use maas_web::SharedCallerResolver;
use secrecy::SecretString;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::{
    app::{self, AuthState},
    domain::{attempts::AttemptLimiter, provider::Provider, signing::TokenSigner},
    metrics::AuthMetrics,
    service::{
        Core,
        first_admin::{FirstAdmin, FirstAdminError},
        initiator::Initiator,
        password_pool::PasswordPool,
        tasks,
        tokens::TokenError,
    },
    settings::AuthSettings,
};

/// Sign-in attempts a minute, per account and per client address.
const ATTEMPTS_A_MINUTE: u32 = 10;

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
        let signer = TokenSigner::new(settings.issuer(), settings.signing_key.expose(), previous).map_err(|error| {
            StartError::unavailable("the signing key of auth", error, "set auth.signing_key or auth.signing_key_file")
        })?;
        let core = Arc::new(Core {
            signer,
            database,
            clock: process.clock.clone(),
            passwords: PasswordPool::new().map_err(|error| internal(&error))?,
            attempts: AttemptLimiter::new(ATTEMPTS_A_MINUTE),
            metrics: AuthMetrics::register(&process.metrics, &[Provider::LOCAL.id])
                .map_err(|error| internal(&error))?,
            outbox: OutboxSignal::default(),
            settings,
        });
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

    /// Creates the first admin, with a one-time password, when there is no user at all; else finds the oldest active
    /// admin.
    pub async fn ensure_first_admin(&self) -> Result<FirstAdmin, FirstAdminError> {
        self.core.ensure_first_admin().await
    }

    /// A token for the control plane that the process itself asks for, e.g. to set itself up.
    pub async fn issue_control_token(&self, user_id: UserId, ttl: Duration) -> Result<SecretString, ControlTokenError> {
        let issued = self.core.issue_control_token(user_id, ttl, &Initiator::system()).await;
        issued.map(|issued| issued.token).map_err(|error: TokenError| ControlTokenError(Box::new(error)))
    }
}
