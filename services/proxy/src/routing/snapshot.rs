//! How an upstream is at one moment, for reports.

use std::{sync::atomic::Ordering, time::Instant};

use super::{circuit::Phase, failure::FailureClass, health::UpstreamHealth};

/// What is told about an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthSnapshot {
    /// An open circuit that waits for a probe counts as half open.
    pub phase: Phase,
    /// For an open circuit.
    pub open_until: Option<Instant>,
    pub consecutive_failures: u32,
    pub in_flight: u32,
    pub last_success: Option<Instant>,
    pub last_failure: Option<(Instant, FailureClass)>,
    pub check_passed: Option<bool>,
}

impl UpstreamHealth {
    /// `None` if it was neither called nor checked.
    pub fn snapshot(&self, now: Instant) -> Option<HealthSnapshot> {
        let check = self.check.load(Ordering::Relaxed);
        if check == 0 && !self.was_called.load(Ordering::Relaxed) {
            return None;
        }
        let probe_from = self.common.instant(self.probe_from_ms.load(Ordering::Relaxed));
        let open_until = probe_from.filter(|from| self.phase() == Phase::Open && now < *from);
        let phase = match self.phase() {
            Phase::Open if open_until.is_none() => Phase::HalfOpen,
            phase => phase,
        };
        let last_failure = FailureClass::from_number(self.last_failure.load(Ordering::Relaxed));
        Some(HealthSnapshot {
            phase,
            open_until,
            consecutive_failures: self.consecutive_failures.load(Ordering::Relaxed),
            in_flight: self.in_flight(),
            last_success: self.common.instant(self.last_success_ms.load(Ordering::Relaxed)),
            last_failure: self.common.instant(self.last_failure_ms.load(Ordering::Relaxed)).zip(last_failure),
            check_passed: (check != 0).then_some(check == 2),
        })
    }
}
