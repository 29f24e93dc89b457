//! What all workers together know of one upstream.
//!
//! A request to a healthy upstream costs a few atomic operations and takes no lock. The lock guards the
//! [`Circuit`], which is asked only when something failed or the circuit is not closed; what a request has to know of
//! it before is kept beside it in atomics. These may be a moment old, which costs an attempt at worst.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    time::Instant,
};

use maas_types::UpstreamId;

use super::{
    attempt::{Attempt, Permit},
    circuit::{Circuit, Phase},
    common::Common,
    window::Window,
};

/// Whether an upstream should be called now; the better ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Well, or it is time to find out whether it is.
    Ready,
    /// Works on as many requests as it takes.
    Full,
    /// Has asked for a pause.
    CoolingDown,
    /// A request is on its way to find out whether it is back.
    Probing,
    Open,
}

/// One per upstream of the catalogue; everything that routing, reports and metrics know of it.
pub struct UpstreamHealth {
    pub id: UpstreamId,
    pub(super) common: Arc<Common>,
    circuit: Mutex<Circuit>,
    /// The circuit's openings × 4 + its phase.
    published: AtomicU64,
    /// When the circuit lets a probe through; 0 = now.
    pub(super) probe_from_ms: AtomicU64,
    pub(super) cool_until_ms: AtomicU64,
    pub(super) in_flight: AtomicU32,
    pub(super) consecutive_failures: AtomicU32,
    /// Failures, successes.
    pub(super) results: Window,
    pub(super) was_called: AtomicBool,
    pub(super) last_success_ms: AtomicU64,
    pub(super) last_failure_ms: AtomicU64,
    pub(super) last_failure: AtomicU8,
    /// 0: none was made, 1: failed, 2: passed.
    pub(super) check: AtomicU8,
}

impl UpstreamHealth {
    pub(super) fn new(id: UpstreamId, common: Arc<Common>) -> Self {
        let health = Self {
            id,
            circuit: Mutex::new(Circuit::new(common.started)),
            common,
            published: AtomicU64::default(),
            probe_from_ms: AtomicU64::default(),
            cool_until_ms: AtomicU64::default(),
            in_flight: AtomicU32::default(),
            consecutive_failures: AtomicU32::default(),
            results: Window::default(),
            was_called: AtomicBool::default(),
            last_success_ms: AtomicU64::default(),
            last_failure_ms: AtomicU64::default(),
            last_failure: AtomicU8::default(),
            check: AtomicU8::default(),
        };
        health.on_circuit(|circuit| circuit.forget_checks());
        health
    }

    /// Whether to call it now; `capacity` is how many requests it takes at the same time, 0 = any number.
    pub fn standing(&self, capacity: u32, now: Instant) -> Standing {
        let now_ms = self.common.ms(now);
        let phase = self.phase();
        if phase != Phase::Closed && now_ms < self.probe_from_ms.load(Ordering::Relaxed) {
            return if phase == Phase::Open { Standing::Open } else { Standing::Probing };
        }
        if now_ms < self.cool_until_ms.load(Ordering::Relaxed) {
            return Standing::CoolingDown;
        }
        if capacity > 0 && self.in_flight() >= capacity { Standing::Full } else { Standing::Ready }
    }

    /// Requests that it works on.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Begins a call, unless the upstream has just become full, or its circuit lets nobody through.
    pub fn try_begin(self: &Arc<Self>, capacity: u32, now: Instant) -> Option<Attempt> {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let permit = if capacity > 0 && before >= capacity { None } else { self.permit(now) };
        if permit.is_none() {
            self.leave();
        }
        permit.map(|permit| Attempt::new(self.clone(), permit))
    }

    /// Begins a call whatever is known of the upstream: there is no better one.
    pub fn begin(self: &Arc<Self>, now: Instant) -> Attempt {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let permit = self.permit(now);
        Attempt::new(self.clone(), permit.unwrap_or_else(|| Permit { openings: self.published().0, probe: None }))
    }

    pub fn phase(&self) -> Phase {
        self.published().1
    }

    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn release(&self, permit: Permit) {
        if let Some(ticket) = permit.probe {
            self.on_circuit(|circuit| circuit.release_probe(ticket));
        }
    }

    fn permit(&self, now: Instant) -> Option<Permit> {
        if !self.was_called.load(Ordering::Relaxed) {
            self.was_called.store(true, Ordering::Relaxed);
        }
        let (openings, phase) = self.published();
        if phase == Phase::Closed {
            return Some(Permit { openings, probe: None });
        }
        self.on_circuit(|circuit| {
            let probe = circuit.claim_probe(&self.common.settings, now);
            let is_allowed = probe.is_some() || circuit.phase() == Phase::Closed;
            is_allowed.then_some(Permit { openings: circuit.openings(), probe })
        })
    }

    /// Works on the circuit, then publishes what it has become and wakes who reports it.
    pub(super) fn on_circuit<T>(&self, work: impl FnOnce(&mut Circuit) -> T) -> T {
        let mut circuit = self.circuit.lock().unwrap_or_else(PoisonError::into_inner);
        let before = (circuit.openings(), circuit.phase());
        let done = work(&mut circuit);
        let after = (circuit.openings(), circuit.phase());
        let probe_from = circuit.probe_from(&self.common.settings);
        self.probe_from_ms.store(probe_from.map_or(0, |from| self.common.ms(from)), Ordering::Relaxed);
        if before.1 != Phase::Closed && after.1 == Phase::Closed {
            // What opened it must not open it again.
            self.results.clear();
            self.consecutive_failures.store(0, Ordering::Relaxed);
        }
        self.published.store(after.0 << 2 | number(after.1), Ordering::Release);
        drop(circuit);
        if before != after {
            self.common.circuit_changed.notify_one();
        }
        done
    }

    /// The circuit's openings and phase.
    pub(super) fn published(&self) -> (u64, Phase) {
        let published = self.published.load(Ordering::Acquire);
        let phase = match published & 3 {
            0 => Phase::Closed,
            1 => Phase::Open,
            _ => Phase::HalfOpen,
        };
        (published >> 2, phase)
    }
}

impl fmt::Debug for UpstreamHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamHealth").field("id", &self.id).field("phase", &self.phase()).finish()
    }
}

const fn number(phase: Phase) -> u64 {
    match phase {
        Phase::Closed => 0,
        Phase::Open => 1,
        Phase::HalfOpen => 2,
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "health_model_tests.rs"]
mod model_tests;
