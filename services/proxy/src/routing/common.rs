//! What the upstreams of one process share.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::settings::RoutingSettings;

pub(super) struct Common {
    pub settings: Arc<RoutingSettings>,
    /// Times in atomics are counted from here.
    pub started: Instant,
    /// Told when any circuit changes.
    pub circuit_changed: Notify,
}

impl Common {
    pub fn new(settings: RoutingSettings, started: Instant) -> Self {
        Self { settings: Arc::new(settings), started, circuit_changed: Notify::new() }
    }

    /// In milliseconds, and never 0, which stands for "never".
    pub fn ms(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.started).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// The time of [`ms`](Self::ms); `None` for 0.
    pub fn instant(&self, ms: u64) -> Option<Instant> {
        self.started.checked_add(Duration::from_millis(ms.checked_sub(1)?))
    }

    pub fn second(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.started).as_secs()
    }
}
