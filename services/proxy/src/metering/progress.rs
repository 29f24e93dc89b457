//! How far the shipping of one source is, and when it has to be repeated.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::batch::{Batch, MOST_EVENTS};

/// How far a source is.
pub struct Progress {
    /// Batches whose delivery has not succeeded yet; they go first, with their ids.
    pub unsent: VecDeque<Batch>,
    pub shipped_through: u64,
    pub committed_through: u64,
    /// When the watermark last moved, or something was shipped with nothing outstanding.
    pub moved_at: Instant,
    resends: u32,
    resending: Option<Resending>,
    pub heartbeats: u64,
    pub closed: bool,
}

/// A gap that is being closed by resends, batch by batch.
#[derive(Clone, Copy)]
struct Resending {
    /// The end of the last resend. Once it is committed the next one goes at once.
    through: u64,
    /// The end of the gap.
    target: u64,
}

impl Progress {
    pub fn new() -> Self {
        Self {
            unsent: VecDeque::new(),
            shipped_through: 0,
            committed_through: 0,
            moved_at: Instant::now(),
            resends: 0,
            resending: None,
            heartbeats: 0,
            closed: false,
        }
    }

    /// Nothing moves, or a resend has just helped.
    pub fn is_stuck(&self, resend_after: Duration) -> bool {
        if self.shipped_through <= self.committed_through {
            return false;
        }
        let helps = |resending: Resending| (resending.through..resending.target).contains(&self.committed_through);
        self.resending.is_some_and(helps) || self.moved_at.elapsed() >= resend_after
    }

    /// First and last sequence of the next resend, and its number.
    pub fn next_resend(&mut self) -> (u64, u64, u32) {
        let first = self.committed_through + 1;
        let last = self.shipped_through.min(self.committed_through + MOST_EVENTS as u64);
        let unfinished = self.resending.filter(|resending| self.committed_through < resending.target);
        let target = unfinished.map_or(self.shipped_through, |resending| resending.target);
        self.resending = Some(Resending { through: last, target });
        self.resends += 1;
        self.moved_at = Instant::now();
        (first, last, self.resends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_long_gap_is_closed_batch_by_batch_without_waiting_again() {
        let mut progress = Progress { shipped_through: 1_000, ..Progress::new() };
        assert!(!progress.is_stuck(NEVER) && progress.is_stuck(Duration::ZERO));
        assert_eq!(progress.next_resend(), (1, 256, 1));
        assert!(!progress.is_stuck(NEVER), "the resend is not committed yet");
        // Meanwhile traffic goes on; what is new is not part of the gap.
        progress.shipped_through = 1_100;
        for (committed, next) in [(256, (257, 512, 2)), (512, (513, 768, 3)), (768, (769, 1_024, 4))] {
            progress.committed_through = committed;
            assert!(progress.is_stuck(NEVER));
            assert_eq!(progress.next_resend(), next);
        }
        progress.committed_through = 1_024;
        assert!(!progress.is_stuck(NEVER));
    }
}
