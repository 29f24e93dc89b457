//! Which upstream gets a request, whether it is tried once more, and how upstreams that fail are left alone.
//!
//! ```text
//! Plan::next ──▶ Attempt ──answered, succeeded──▶ UpstreamHealth ──▶ reports, metrics
//!     ▲             │                                  ▲
//!     │             └──failed──▶ Retries::after        └── active checks
//!     └───── another, or the same after a wait ◀─┘
//! ```
//!
//! Everything but the [`checker`] and the [`report`] is pure: time and randomness are arguments. No request waits for
//! any of it, and no model runs out of upstreams to try because they all look bad.

mod affinity;
mod attempt;
mod budget;
pub mod checker;
mod circuit;
mod common;
mod failure;
mod fallback;
mod health;
mod index_set;
mod outcome;
pub mod report;
mod retry;
mod select;
mod settings;
mod snapshot;
mod table;
mod window;

use std::sync::Arc;

pub use affinity::AffinityKey;
pub use attempt::Attempt;
pub use budget::RetryBudget;
pub use failure::{Failure, FailureClass, retry_after};
pub use fallback::{FallbackReason, Fallbacks, HasFallbacks};
pub use health::{Standing, UpstreamHealth};
pub use retry::{Retries, RetryDecision};
pub use select::{Plan, Policy, Routed, Target};
pub use settings::RoutingSettings;
pub use table::HealthTable;

/// What the background tasks have to know of an upstream in the catalogue.
#[derive(Clone)]
pub struct Watched {
    /// The label of its model in metrics.
    pub model: String,
    /// Its name in metrics.
    pub upstream: String,
    pub health: Arc<UpstreamHealth>,
    /// `None`: it is not checked.
    pub check: Option<checker::CheckTarget>,
}

/// Gives the upstreams that the catalogue has now. Asked twice a second, never by a request.
pub type WatchList = Arc<dyn Fn() -> Vec<Watched> + Send + Sync>;
