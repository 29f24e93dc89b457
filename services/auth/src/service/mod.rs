//! Use cases: each opens its transaction, applies the rule, writes what others shall hear to the outbox, commits, and
//! wakes the relay.

pub mod admit;
pub mod audit_book;
pub mod audit_chain;
pub mod audit_retention;
pub mod audited;
pub mod begin_sign_in;
pub mod callers;
pub mod effects;
pub mod exchange;
pub mod federation;
pub mod finish_error;
pub mod finish_sign_in;
pub mod first_admin;
pub mod group_mappings;
pub mod initiator;
pub mod invitations;
pub mod members;
pub mod organisations;
pub mod password;
pub mod password_pool;
pub mod people;
pub mod reconcile;
pub mod reevaluate;
pub mod revoked_users;
pub mod service_accounts;
pub mod sessions;
pub mod sign_in;
pub mod signing_keys;
pub mod tasks;
pub mod teams;
pub mod token_review;
pub mod tokens;
pub mod told;
pub mod users;

use std::sync::Arc;

use maas_bus::SharedBus;
use maas_events::Delivery;
use maas_revocation::owner::RevocationOwner;
use maas_store::{Database, StoreError, classify, outbox, outbox::OutboxSignal};
use maas_types::{Clock, Timestamp};
use maas_web::attempts::AttemptLimiter;
use maas_web::export::ExportSlots;
use sea_orm::DatabaseTransaction;

use crate::{
    domain::{provider::Provider, return_url::ReturnUrls},
    metrics::AuthMetrics,
    service::{
        federation::{FederatedProvider, Federation},
        password_pool::PasswordPool,
        signing_keys::SigningKeys,
        token_review::TokenReviewer,
    },
    settings::AuthSettings,
};

/// What the use cases share.
pub struct Core {
    pub settings: AuthSettings,
    pub database: Database,
    pub clock: Arc<dyn Clock>,
    pub signing: SigningKeys,
    /// The clusters whose tokens can be exchanged, by provider.
    pub token_reviewers: Vec<TokenReviewer>,
    /// Refused exchanges, per client address.
    pub refused_exchanges: AttemptLimiter,
    pub passwords: PasswordPool,
    pub attempts: AttemptLimiter,
    /// Sign-ins that begin at a provider, per client address.
    pub sign_in_starts: AttemptLimiter,
    pub federation: Federation,
    pub return_urls: ReturnUrls,
    pub metrics: AuthMetrics,
    pub outbox: OutboxSignal,
    /// Files and checks of the audit book that run at once.
    pub export_slots: ExportSlots,
    /// For what nobody needs to keep.
    pub bus: SharedBus,
    /// Tells the proxies what was revoked, and hears what they have taken over.
    pub revocations: RevocationOwner,
}

impl Core {
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The ways to sign in that are switched on.
    pub fn providers(&self) -> Vec<Provider> {
        let local = self.settings.local.enabled.then(Provider::local);
        local.into_iter().chain(self.federation.iter().map(FederatedProvider::shown)).collect()
    }

    /// Commits a transaction together with what it has to tell.
    async fn commit(&self, transaction: DatabaseTransaction, tell: Vec<Delivery>) -> Result<(), StoreError> {
        outbox::append(&transaction, tell, self.now()).await?;
        transaction.commit().await.map_err(classify)?;
        self.outbox.wake();
        Ok(())
    }
}

/// The error with its causes on one line, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
