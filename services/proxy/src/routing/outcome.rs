//! What calls and checks tell about the health of their upstream.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use super::{
    attempt::Permit,
    circuit::{Circuit, Evidence, Phase},
    failure::{Failure, FailureClass, Verdict},
    health::UpstreamHealth,
    window::Kind,
};

/// How long an upstream that answered 429 without `Retry-After` is passed over.
const COOL_DOWN: Duration = Duration::from_secs(1);
const LONGEST_COOL_DOWN: Duration = Duration::from_secs(60);

impl UpstreamHealth {
    /// Takes over what an active check found.
    pub fn note_check(&self, passed: bool, now: Instant) {
        self.check.store(1 + u8::from(passed), Ordering::Relaxed);
        self.on_circuit(|circuit| match passed {
            true => circuit.check_passed(now),
            false => circuit.check_failed(&self.common.settings, now),
        });
    }

    /// The upstream is not checked any more.
    pub fn forget_checks(&self) {
        if self.check.swap(0, Ordering::Relaxed) != 0 {
            self.on_circuit(Circuit::forget_checks);
        }
    }

    /// The upstream has answered; the rest of the answer is still to come.
    pub(super) fn note_answer(&self, permit: Permit, now: Instant) {
        if self.phase() != Phase::Closed {
            self.on_circuit(|circuit| circuit.answered(permit.openings, now));
        }
    }

    /// The whole answer was there.
    pub(super) fn note_success(&self, permit: Permit, now: Instant) {
        self.note_answer(permit, now);
        self.last_success_ms.store(self.common.ms(now), Ordering::Relaxed);
        if permit.openings == self.published().0 {
            self.results.add(Kind::Second, self.common.second(now));
            if self.consecutive_failures.load(Ordering::Relaxed) != 0 {
                self.consecutive_failures.store(0, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn note_failure(&self, permit: Permit, failure: Failure, now: Instant) {
        if matches!(failure.class, FailureClass::RateLimited | FailureClass::Overloaded) {
            self.cool_down(failure, now);
        }
        match failure.class.verdict() {
            Verdict::AtFault => self.note_fault(permit, failure.class, now),
            Verdict::Well => self.note_answer(permit, now),
            Verdict::Unknown => {}
        }
    }

    fn note_fault(&self, permit: Permit, class: FailureClass, now: Instant) {
        self.last_failure_ms.store(self.common.ms(now), Ordering::Relaxed);
        self.last_failure.store(class.number(), Ordering::Relaxed);
        if permit.openings == self.published().0 {
            self.results.add(Kind::First, self.common.second(now));
            self.consecutive_failures.fetch_add(1, Ordering::Relaxed);
        }
        let evidence = self.evidence(now);
        let settings = &self.common.settings;
        self.on_circuit(|circuit| {
            circuit.failed(permit.openings, permit.probe.is_some(), evidence, settings, now);
        });
    }

    fn cool_down(&self, failure: Failure, now: Instant) {
        let pause = match (failure.class, failure.retry_after) {
            (_, Some(asked)) => asked.min(LONGEST_COOL_DOWN),
            (FailureClass::RateLimited, None) => COOL_DOWN,
            (_, None) => return,
        };
        self.cool_until_ms.fetch_max(self.common.ms(now + pause), Ordering::Relaxed);
    }

    fn evidence(&self, now: Instant) -> Evidence {
        let (failures, successes) = self.results.sums(self.common.second(now));
        Evidence { consecutive_failures: self.consecutive_failures.load(Ordering::Relaxed), failures, successes }
    }
}
