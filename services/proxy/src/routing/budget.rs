//! How many retries a model's requests may cause, so that an outage is not multiplied by them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use super::{
    settings::RoutingSettings,
    window::{Kind, WINDOW_SECONDS, Window},
};

/// Shared by all workers. In any 10 s at most `retry_percent` of the requests in that time plus `retries_per_second`
/// for each second. A request costs one atomic operation; only retries take the lock.
pub struct RetryBudget {
    settings: Arc<RoutingSettings>,
    started: Instant,
    /// Requests, retries.
    counts: Window,
    /// Held while a retry is granted, so that two cannot both be the last one.
    granting: Mutex<()>,
}

impl RetryBudget {
    pub fn new(settings: Arc<RoutingSettings>, now: Instant) -> Self {
        Self { settings, started: now, counts: Window::default(), granting: Mutex::default() }
    }

    /// Counts a request, once, when its first upstream is called.
    pub fn note_request(&self, now: Instant) {
        self.counts.add(Kind::First, self.second(now));
    }

    /// Takes one retry; `false` if there is none left.
    pub(super) fn spend(&self, now: Instant) -> bool {
        let _granting = self.granting.lock().unwrap_or_else(PoisonError::into_inner);
        let second = self.second(now);
        let (requests, retries) = self.counts.sums(second);
        let allowed = requests * u64::from(self.settings.retry_percent) / 100
            + u64::from(self.settings.retries_per_second) * WINDOW_SECONDS;
        let granted = retries < allowed;
        if granted {
            self.counts.add(Kind::Second, second);
        }
        granted
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.started).as_secs()
    }
}
