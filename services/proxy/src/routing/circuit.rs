//! The circuit of one upstream as a pure state machine: closed, open, half open.
//!
//! ```text
//! closed ──too many failures, or failed checks──▶ open ──its time is over──▶ half open ──▶ closed
//!                                                  ▲                            │
//!                                                  └────── the probe failed ────┘ for twice as long
//! ```
//!
//! What an attempt tells counts only if it began after the last opening: answers that were on their way when an
//! upstream went down say nothing about it now. An attempt that succeeds closes the circuit in any state, since an open
//! upstream is called too when there is no other.

use std::time::{Duration, Instant};

use super::settings::RoutingSettings;

/// Failed active checks in a row that open a circuit.
const CHECKS_THAT_OPEN: u32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Closed,
    Open,
    HalfOpen,
}

/// What kept an upstream from being called, and so what shows that it is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Traffic,
    Checks,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// `ejections` in a row led here; an upstream that fails soon again goes on with the next one.
    Closed {
        since: Instant,
        ejections: u32,
    },
    Open {
        until: Instant,
        ejections: u32,
        cause: Cause,
    },
    HalfOpen {
        probe: Option<Probe>,
        ejections: u32,
        cause: Cause,
    },
}

#[derive(Debug, Clone, Copy)]
struct Probe {
    ticket: ProbeTicket,
    since: Instant,
}

/// The right to show whether an upstream is back; to be given back by who got it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeTicket(u64);

/// How the calls that ended lately went.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence {
    pub consecutive_failures: u32,
    pub failures: u64,
    pub successes: u64,
}

pub struct Circuit {
    state: State,
    openings: u64,
    tickets: u64,
    /// In a row.
    failed_checks: u32,
}

impl Circuit {
    pub fn new(now: Instant) -> Self {
        Self { state: State::Closed { since: now, ejections: 0 }, openings: 0, tickets: 0, failed_checks: 0 }
    }

    pub fn phase(&self) -> Phase {
        match self.state {
            State::Closed { .. } => Phase::Closed,
            State::Open { .. } => Phase::Open,
            State::HalfOpen { .. } => Phase::HalfOpen,
        }
    }

    /// How often it has opened; attempts remember it.
    pub fn openings(&self) -> u64 {
        self.openings
    }

    /// From when on a probe is let through; `None` means at once.
    pub fn probe_from(&self, settings: &RoutingSettings) -> Option<Instant> {
        match self.state {
            State::Closed { .. } => None,
            State::Open { until, .. } => Some(until),
            State::HalfOpen { probe, .. } => probe.map(|probe| probe.since + settings.probe_timeout.get()),
        }
    }

    /// Lets one request through to an upstream that may be back. `None`: it is not time yet, another one is on its
    /// way, or the circuit is closed and nobody has to ask.
    pub fn claim_probe(&mut self, settings: &RoutingSettings, now: Instant) -> Option<ProbeTicket> {
        if self.probe_from(settings).is_some_and(|from| now < from) {
            return None;
        }
        let (ejections, cause) = match self.state {
            State::Closed { .. } => return None,
            State::Open { ejections, cause, .. } | State::HalfOpen { ejections, cause, .. } => (ejections, cause),
        };
        self.tickets += 1;
        let ticket = ProbeTicket(self.tickets);
        self.state = State::HalfOpen { probe: Some(Probe { ticket, since: now }), ejections, cause };
        Some(ticket)
    }

    /// A probe ended without telling anything: the next request is one.
    pub fn release_probe(&mut self, ticket: ProbeTicket) {
        if let State::HalfOpen { probe, .. } = &mut self.state
            && probe.is_some_and(|probe| probe.ticket == ticket)
        {
            *probe = None;
        }
    }

    /// The upstream answered a request that began at the `openings`.
    pub fn answered(&mut self, openings: u64, now: Instant) {
        if openings == self.openings {
            self.close(now);
        }
    }

    /// A request that began at the `openings` failed.
    pub fn failed(
        &mut self,
        openings: u64,
        was_probe: bool,
        evidence: Evidence,
        settings: &RoutingSettings,
        now: Instant,
    ) {
        if openings != self.openings {
            return;
        }
        match self.state {
            State::Closed { .. } if evidence.is_too_much(settings) => self.open(Cause::Traffic, settings, now),
            State::HalfOpen { cause, .. } if was_probe => self.open(cause, settings, now),
            // Whoever calls an open upstream for want of another one learns nothing new from its failure.
            State::Closed { .. } | State::Open { .. } | State::HalfOpen { .. } => {}
        }
    }

    /// An active check passed. It closes what checks have opened. Of an upstream that failed requests it says something
    /// only if checks failed as well meanwhile; one that passes all along does not see what the requests see.
    pub fn check_passed(&mut self, now: Instant) {
        let had_failed = std::mem::take(&mut self.failed_checks) > 0;
        match self.state {
            State::Open { cause: Cause::Checks, .. } | State::HalfOpen { cause: Cause::Checks, .. } => self.close(now),
            State::Open { ejections, cause: Cause::Traffic, .. } if had_failed => {
                self.state = State::HalfOpen { probe: None, ejections, cause: Cause::Traffic };
            }
            State::Closed { .. } | State::Open { .. } | State::HalfOpen { .. } => {}
        }
    }

    pub fn check_failed(&mut self, settings: &RoutingSettings, now: Instant) {
        self.failed_checks = self.failed_checks.saturating_add(1);
        match self.state {
            State::Closed { .. } if self.failed_checks >= CHECKS_THAT_OPEN => self.open(Cause::Checks, settings, now),
            State::HalfOpen { probe: None, cause, .. } => self.open(cause, settings, now),
            State::Open { until, cause, .. } if until <= now => self.open(cause, settings, now),
            // A request is on its way and tells more than the check.
            State::Closed { .. } | State::Open { .. } | State::HalfOpen { .. } => {}
        }
    }

    /// The upstream is not checked any more.
    pub fn forget_checks(&mut self) {
        self.failed_checks = 0;
    }

    fn open(&mut self, cause: Cause, settings: &RoutingSettings, now: Instant) {
        let ejections = match self.state {
            // Well for as long as it was out: what was before is forgotten.
            State::Closed { since, ejections } if now >= since + length(ejections, settings) => 1,
            State::Closed { ejections, .. } | State::Open { ejections, .. } | State::HalfOpen { ejections, .. } => {
                ejections.saturating_add(1)
            }
        };
        self.state = State::Open { until: now + length(ejections, settings), ejections, cause };
        self.openings += 1;
    }

    fn close(&mut self, now: Instant) {
        if let State::Open { ejections, .. } | State::HalfOpen { ejections, .. } = self.state {
            self.failed_checks = 0;
            self.state = State::Closed { since: now, ejections };
        }
    }
}

impl Evidence {
    fn is_too_much(self, settings: &RoutingSettings) -> bool {
        let ended = self.failures + self.successes;
        let is_share_too_high = self.failures * 100 >= ended * u64::from(settings.failure_ratio_percent);
        self.consecutive_failures >= settings.consecutive_failures
            || ended >= u64::from(settings.minimum_requests) && is_share_too_high
    }
}

/// How long the n-th ejection in a row lasts; none for the zeroth.
fn length(ejections: u32, settings: &RoutingSettings) -> Duration {
    let Some(doublings) = ejections.checked_sub(1) else { return Duration::ZERO };
    let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
    settings.ejection.get().saturating_mul(factor).min(settings.longest_ejection.get())
}

#[cfg(test)]
#[path = "circuit_tests.rs"]
mod tests;
