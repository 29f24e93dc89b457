//! Use cases: each opens its transaction, applies the rule, appends to the outbox, commits, wakes the relay.

pub mod access;
pub mod access_error;
mod bulk_revoke;
mod change_key;
mod create_key;
pub mod directory;
mod error;
mod first_key;
mod forget_keys;
mod key_uses;
mod lookup;
mod metrics;
mod model_names;
mod ownership;
mod reach;
mod read_keys;
mod reconcile;
mod reconciled_rows;
mod replay;
pub mod report_leak;
pub mod revoked_keys;
mod rotate_key;
pub mod tasks;
mod update_key;

use std::{sync::Arc, time::Duration};

use maas_events::audit_entry::Actor;
use maas_keys::Peppers;
use maas_revocation::owner::RevocationOwner;
use maas_store::{Database, StoreError, outbox, outbox::OutboxSignal};
use maas_types::{Clock, Timestamp};
use maas_web::attempts::AttemptLimiter;
use sea_orm::ConnectionTrait;

pub use bulk_revoke::{BulkOutcome, BulkRevokeInput, BulkRevokedKey};
pub use change_key::{ChangeRight, ChangeTarget, Stopped};
pub use create_key::CreateKeyInput;
pub use error::KeyError;
pub use read_keys::ListKeysInput;
pub use report_leak::{LeakReport, ReportLeakError};
pub use rotate_key::{RotateKeyInput, RotationEnd};
pub use update_key::UpdateKeyInput;

use self::{
    directory::{ModelDirectory, TeamDirectory, UserDirectory},
    metrics::KeyMetrics,
};
use crate::{
    domain::{expiry::ExpiryPolicy, key::Key},
    events,
};

/// The longest reason that people give, in characters.
pub const MAX_REASON: usize = 500;

/// What the use cases work with; one per process.
pub struct KeyService {
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) signal: OutboxSignal,
    /// Tells the proxies what was revoked, and hears what they have taken over.
    pub(crate) revocations: RevocationOwner,
    pub(crate) models: Arc<ModelDirectory>,
    pub(crate) users: Arc<UserDirectory>,
    pub(crate) teams: Arc<TeamDirectory>,
    pub(crate) peppers: Peppers,
    pub(crate) expiry: ExpiryPolicy,
    /// Lives that are offered to choose from, the shortest first.
    pub(crate) expiry_presets: Vec<Duration>,
    pub(crate) max_rotation_overlap: Duration,
    pub(crate) ephemeral_retention: Duration,
    /// Anybody may report a leak, but nobody may guess.
    pub(crate) leak_reports: AttemptLimiter,
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
