//! What the proxy knows of keys, users and models: immutable values behind atomic pointers, kept up to date by the bus.
//!
//! Reading takes no lock and does no I/O. A value is replaced only by one with a higher version, so that changes may
//! arrive late, twice or out of order.

pub mod credential;
mod dialect;
pub mod key;
pub mod load;
pub mod lookup;
pub mod model;
mod sharded;
pub mod subscription;
pub mod team;
pub mod upstream;
pub mod user;
mod versions;
pub mod watch;

use std::sync::Arc;

use arc_swap::ArcSwap;
use maas_events::plans::PlanTable;
use maas_keys::PublicId;
use maas_types::{TeamId, UserId};

pub use key::{KeyGrant, KeyStanding};
pub use model::{ModelEntry, ModelTable};
pub use subscription::{SubscriptionEntry, SubscriptionKey};
pub use team::TeamEntry;
pub use upstream::{UpstreamEntry, Via};
pub use user::UserEntry;

use sharded::ShardedMap;

/// Everything a request is decided on.
pub struct State {
    pub keys: ShardedMap<PublicId, KeyGrant>,
    pub users: ShardedMap<UserId, UserEntry>,
    pub teams: ShardedMap<TeamId, TeamEntry>,
    pub subscriptions: ShardedMap<SubscriptionKey, SubscriptionEntry>,
    models: ArcSwap<ModelTable>,
    plans: ArcSwap<PlanTable>,
}

impl State {
    pub fn new() -> Self {
        Self {
            keys: ShardedMap::new(),
            users: ShardedMap::new(),
            teams: ShardedMap::new(),
            subscriptions: ShardedMap::new(),
            models: ArcSwap::default(),
            plans: ArcSwap::default(),
        }
    }

    /// The models as of now; hold it for the length of one decision.
    pub fn models(&self) -> arc_swap::Guard<Arc<ModelTable>> {
        self.models.load()
    }

    /// The plans as of now.
    pub fn plans(&self) -> arc_swap::Guard<Arc<PlanTable>> {
        self.plans.load()
    }

    pub(crate) fn replace_plans(&self, table: PlanTable) {
        self.plans.store(Arc::new(table));
    }

    pub(crate) fn replace_models(&self, table: ModelTable) {
        self.models.store(Arc::new(table));
    }
}
