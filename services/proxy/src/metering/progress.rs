//! How far the shipping of one source is, and when it has to be repeated.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::batch::Batch;

/// How far a source is.
pub struct Progress {
    /// Batches whose delivery has not succeeded yet; they go first, with their ids.
    pub unsent: VecDeque<Batch>,
    pub shipped_through: u64,
    pub committed_through: u64,
    /// Committed ranges above it, ascending.
    pub committed_above: Vec<(u64, u64)>,
    /// When the watermark last moved, or something was shipped with nothing outstanding.
    pub moved_at: Instant,
    resends: u32,
    resending: Option<Resending>,
    pub heartbeats: u64,
    /// When it was last looked at for something to ship.
    pub looked_at: Instant,
    /// Its last word is not in the ledger, as the ledger says.
    pub is_open_there: bool,
    /// How often its last word was told again.
    pub closes_again: u32,
    /// Of an earlier boot: ingest was asked how far it is before anything was shipped.
    pub was_asked_for: bool,
}

/// Gaps that are being closed by resends, batch by batch.
#[derive(Clone, Copy)]
struct Resending {
    /// The end of the last resend. Once it is committed, or the journal has nothing of it, the next one goes at once.
    through: u64,
    nothing_found: bool,
    /// What was shipped when the round began.
    target: u64,
}

impl Progress {
    /// `committed_through`: as the journal knows it, perhaps from an earlier boot. What is committed was shipped.
    pub fn new(committed_through: u64) -> Self {
        Self {
            unsent: VecDeque::new(),
            shipped_through: committed_through,
            committed_through,
            committed_above: Vec::new(),
            moved_at: Instant::now(),
            resends: 0,
            resending: None,
            heartbeats: 0,
            looked_at: Instant::now(),
            is_open_there: false,
            closes_again: 0,
            was_asked_for: false,
        }
    }

    /// Nothing moves, or a resend has just helped.
    pub fn is_stuck(&self, resend_after: Duration) -> bool {
        let uncommitted = self.shipped_through > self.committed_through;
        uncommitted && (self.unfinished().is_some() || self.moved_at.elapsed() >= resend_after)
    }

    /// First and last sequence of the gap to be closed next: behind the last resend if that has helped, else the first
    /// there is.
    pub fn next_gap(&mut self) -> (u64, u64) {
        let unfinished = self.unfinished();
        let target = unfinished.map_or(self.shipped_through, |round| round.target);
        let (first, last) = self.gap_behind(unfinished.map_or(0, |round| round.through));
        self.resending = Some(Resending { through: first, nothing_found: false, target });
        (first, last.min(target))
    }

    /// Notes how much of the gap was found in the journal, and gives the number of the resend.
    pub fn note_resend(&mut self, gap_end: u64, found_through: Option<u64>) -> u32 {
        if let Some(round) = &mut self.resending {
            round.through = found_through.unwrap_or(gap_end);
            round.nothing_found = found_through.is_none();
        }
        self.resends += 1;
        self.moved_at = Instant::now();
        self.resends
    }

    /// The round of resends, if it can go on and has something left.
    fn unfinished(&self) -> Option<Resending> {
        self.resending.filter(|round| {
            let over = round.nothing_found || self.is_committed(round.through);
            over && self.gap_behind(round.through).0 <= round.target
        })
    }

    fn is_committed(&self, sequence: u64) -> bool {
        let mut above = self.committed_above.iter();
        sequence <= self.committed_through || above.any(|(first, last)| (*first..=*last).contains(&sequence))
    }

    fn gap_behind(&self, sequence: u64) -> (u64, u64) {
        let mut first = sequence.max(self.committed_through) + 1;
        for (start, end) in &self.committed_above {
            if first < *start {
                return (first, start - 1);
            }
            first = first.max(end + 1);
        }
        (first, u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_long_gap_is_closed_batch_by_batch_without_waiting_again() {
        let mut progress = Progress { shipped_through: 1_000, ..Progress::new(0) };
        assert!(!progress.is_stuck(NEVER) && progress.is_stuck(Duration::ZERO));
        assert_eq!(progress.next_gap(), (1, 1_000));
        assert_eq!(progress.note_resend(1_000, Some(256)), 1);
        assert!(!progress.is_stuck(NEVER), "the resend is not committed yet");
        // Meanwhile traffic goes on; what is new is not part of the gap.
        progress.shipped_through = 1_100;
        for (committed, through) in [(256, 512), (512, 768), (768, 1_000)] {
            progress.committed_through = committed;
            assert!(progress.is_stuck(NEVER));
            assert_eq!(progress.next_gap(), (committed + 1, 1_000));
            progress.note_resend(1_000, Some(through));
            assert!(!progress.is_stuck(NEVER));
        }
        progress.committed_through = 1_000;
        assert!(!progress.is_stuck(NEVER));
    }

    #[test]
    fn what_is_gone_or_committed_above_the_watermark_is_passed_over() {
        let mut progress = Progress { shipped_through: 1_000, ..Progress::new(0) };
        progress.committed_through = 100;
        progress.committed_above = vec![(501, 600)];
        assert_eq!(progress.next_gap(), (101, 500));
        progress.note_resend(500, None);
        assert!(progress.is_stuck(NEVER), "there is another gap");
        assert_eq!(progress.next_gap(), (601, 1_000));
        progress.note_resend(1_000, Some(1_000));
        progress.committed_above = vec![(501, 1_000)];
        assert!(!progress.is_stuck(NEVER), "nothing more can be done at once");
    }
}
