//! Pauses between attempts, and one log line per outage instead of one per attempt.

use std::{fmt::Display, time::Duration};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The trouble of one supervised part.
pub(super) struct Outage {
    /// What stands in the log lines.
    part: String,
    failures: u32,
}

impl Outage {
    pub(super) fn new(part: String) -> Self {
        Self { part, failures: 0 }
    }

    pub(super) fn over(&mut self) {
        if self.failures > 0 {
            tracing::info!(bus.part = %self.part, failures = self.failures, "works again");
            self.failures = 0;
        }
    }

    /// Notes a failure and returns how long to wait before the next attempt.
    pub(super) fn failed(&mut self, error: &dyn Display) -> Duration {
        match self.failures {
            0 => tracing::warn!(bus.part = %self.part, error = %error, "interrupted, trying again until it works"),
            _ => tracing::debug!(bus.part = %self.part, error = %error, "still interrupted"),
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(5)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        pause
    }
}
