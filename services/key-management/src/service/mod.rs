//! Use cases: each opens its transaction, applies the rule, appends to the outbox, commits, wakes the relay.

mod change_key;
mod create_key;
pub mod directory;
mod error;
mod first_key;
mod lookup;
mod metrics;
mod model_names;
mod read_keys;
mod reconcile;
pub mod tasks;
mod update_key;

use std::sync::Arc;

use maas_keys::Peppers;
use maas_store::{Database, StoreError, outbox, outbox::OutboxSignal};
use maas_types::{Clock, Timestamp};
use sea_orm::ConnectionTrait;

pub use create_key::CreateKeyInput;
pub use error::KeyError;
pub use read_keys::ListKeysInput;
pub use update_key::UpdateKeyInput;

use self::{
    directory::{ModelDirectory, UserDirectory},
    metrics::KeyMetrics,
};
use crate::{
    domain::{actor::Actor, expiry::ExpiryPolicy, key::Key},
    events,
};

/// What the use cases work with; one per process.
pub struct KeyService {
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) signal: OutboxSignal,
    pub(crate) models: Arc<ModelDirectory>,
    pub(crate) users: Arc<UserDirectory>,
    pub(crate) peppers: Peppers,
    pub(crate) expiry: ExpiryPolicy,
    pub(crate) metrics: KeyMetrics,
}

/// A change that is told to others with the row's own commit.
struct Change<'a> {
    action: &'static str,
    actor: &'a Actor,
    before: Option<&'a Key>,
    after: &'a Key,
}

impl Change<'_> {
    /// The state comes first: proxies wait for it, auditors do not.
    async fn append_to_outbox(&self, transaction: &impl ConnectionTrait, now: Timestamp) -> Result<(), StoreError> {
        let audit = events::audit_delivery(self.actor, self.action, self.before, self.after, now);
        outbox::append(transaction, [events::state_delivery(self.after), audit], now).await
    }
}
