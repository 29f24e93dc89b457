//! Use cases: each opens its transaction, applies the rule, writes what others shall hear to the outbox, commits, and
//! wakes the relay.

pub mod audit_book;
pub mod callers;
pub mod first_admin;
pub mod initiator;
pub mod password;
pub mod password_pool;
pub mod reconcile;
pub mod sessions;
pub mod sign_in;
pub mod tasks;
pub mod tokens;
pub mod users;

use std::sync::Arc;

use maas_events::Delivery;
use maas_store::{Database, StoreError, classify, outbox, outbox::OutboxSignal};
use maas_types::{Clock, Timestamp};
use sea_orm::DatabaseTransaction;

use crate::{
    domain::{attempts::AttemptLimiter, provider::Provider, signing::TokenSigner},
    metrics::AuthMetrics,
    service::password_pool::PasswordPool,
    settings::AuthSettings,
};

/// What the use cases share.
pub struct Core {
    pub settings: AuthSettings,
    pub database: Database,
    pub clock: Arc<dyn Clock>,
    pub signer: TokenSigner,
    pub passwords: PasswordPool,
    pub attempts: AttemptLimiter,
    pub metrics: AuthMetrics,
    pub outbox: OutboxSignal,
}

impl Core {
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The ways to sign in that are switched on.
    pub fn providers(&self) -> Vec<Provider> {
        self.settings.local.enabled.then_some(Provider::LOCAL).into_iter().collect()
    }

    /// Commits a transaction together with what it has to tell.
    async fn commit(&self, transaction: DatabaseTransaction, tell: Vec<Delivery>) -> Result<(), StoreError> {
        outbox::append(&transaction, tell, self.now()).await?;
        transaction.commit().await.map_err(classify)?;
        self.outbox.wake();
        Ok(())
    }
}
