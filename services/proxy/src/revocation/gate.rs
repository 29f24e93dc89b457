//! Until when requests may be decided on what is known here. Read by every request, without a lock.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Instant,
};

/// Closed until it is opened. It closes by itself, also when nobody is there to close it: a process that was stopped and
/// goes on must not serve a single request too long.
#[derive(Default)]
pub struct Gate {
    started: OnceLock<Instant>,
    /// Both have to be ahead; milliseconds since `started`, and of `Clock::steady_ms`.
    monotonic_until_ms: AtomicI64,
    steady_until_ms: AtomicI64,
}

impl Gate {
    /// `steady_ms`: now, on `Clock::steady_ms`.
    pub fn is_open(&self, steady_ms: i64) -> bool {
        steady_ms < self.steady_until_ms.load(Ordering::Relaxed)
            && self.elapsed_ms() < self.monotonic_until_ms.load(Ordering::Acquire)
    }

    pub fn open_for(&self, milliseconds: i64, steady_ms: i64) {
        self.steady_until_ms.store(steady_ms.saturating_add(milliseconds), Ordering::Relaxed);
        self.monotonic_until_ms.store(self.elapsed_ms().saturating_add(milliseconds), Ordering::Release);
    }

    pub fn close(&self) {
        self.monotonic_until_ms.store(0, Ordering::Release);
    }

    fn elapsed_ms(&self) -> i64 {
        i64::try_from(self.started.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_closed_until_opened_and_closes_by_itself() {
        let gate = Gate::default();
        assert!(!gate.is_open(1));
        gate.open_for(30_000, 1_000);
        assert!(gate.is_open(30_999) && !gate.is_open(31_000));
        gate.close();
        assert!(!gate.is_open(1_000));
    }
}
