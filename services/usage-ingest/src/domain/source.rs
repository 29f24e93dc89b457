//! What the ledger knows of one producer: which sequences are committed, and how far that makes it complete.
//!
//! Guarantee of `confirmed_until`: every request that this source admitted before that time is in the ledger or in
//! quarantine. A heartbeat says "my last sequence is n, my oldest open request was admitted at t". Once all sequences up
//! to n are committed, whatever is still missing was either open then (admitted at t or later) or admitted after the
//! heartbeat was sent. So the earlier of the two times is confirmed, and nothing earlier may be claimed: an event that is
//! late, lost on the way or stuck behind a gap holds it back until it is committed.

use maas_types::Timestamp;

use super::sequence::SequenceSet;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceState {
    pub committed: SequenceSet,
    /// The highest sequence that a heartbeat or close has named.
    pub announced: u64,
    pub open_requests: u64,
    pub oldest_open_admission: Option<Timestamp>,
    pub last_heartbeat_at: Option<Timestamp>,
    /// The last sign of life of any kind, on our clock.
    pub last_heard_at: Timestamp,
    pub first_seen_at: Timestamp,
    pub confirmed_until: Timestamp,
    /// The oldest announcement that is not wholly committed.
    pub pending: Option<Announcement>,
    /// The source has said its last word.
    pub closed: bool,
}

/// A heartbeat or close whose sequences are not all committed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    pub last_sequence: u64,
    /// What `confirmed_until` becomes with it.
    pub confirms_until: Timestamp,
    /// When we heard it, on our clock.
    pub heard_at: Timestamp,
}

/// A heartbeat in the ledger's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeartbeatFacts {
    pub last_sequence: u64,
    pub open_requests: u64,
    pub oldest_open_admission: Option<Timestamp>,
    /// On the producer's clock, as admissions are.
    pub sent_at: Timestamp,
}

impl SourceState {
    /// A source that nobody has heard of before. `earliest` is the earliest time that its first message speaks of.
    pub fn new(now: Timestamp, earliest: Timestamp) -> Self {
        Self {
            committed: SequenceSet::default(),
            announced: 0,
            open_requests: 0,
            oldest_open_admission: None,
            last_heartbeat_at: None,
            last_heard_at: now,
            first_seen_at: now,
            confirmed_until: earliest.min(now),
            pending: None,
            closed: false,
        }
    }

    /// The sequences were stored, as events or in quarantine.
    pub fn record(&mut self, first: u64, last: u64, now: Timestamp) {
        self.committed.record(first, last);
        self.last_heard_at = self.last_heard_at.max(now);
        self.settle();
    }

    /// One that was overtaken by a later one, or by the close, says nothing new.
    pub fn hear_heartbeat(&mut self, heartbeat: HeartbeatFacts, now: Timestamp) {
        self.last_heard_at = self.last_heard_at.max(now);
        if self.closed || heartbeat.last_sequence < self.announced {
            return;
        }
        self.open_requests = heartbeat.open_requests;
        self.oldest_open_admission = heartbeat.oldest_open_admission;
        self.last_heartbeat_at = Some(now);
        // A clock that is ahead confirms nothing beyond ours: once it is mended, what it admits would be confirmed already.
        let oldest_open = heartbeat.oldest_open_admission.unwrap_or(heartbeat.sent_at);
        let confirms_until = oldest_open.min(heartbeat.sent_at).min(now);
        self.announced = heartbeat.last_sequence;
        // The older one stays until it is settled: its age is the age of the gap. The next heartbeat takes its place.
        let last_sequence = heartbeat.last_sequence;
        self.pending.get_or_insert(Announcement { last_sequence, confirms_until, heard_at: now });
        self.settle();
    }

    /// Nothing will come after `last_sequence`. If a heartbeat named a higher one, that is missing, and stays so.
    pub fn hear_close(&mut self, last_sequence: u64, now: Timestamp) {
        self.last_heard_at = self.last_heard_at.max(now);
        self.closed = true;
        self.open_requests = 0;
        self.oldest_open_admission = None;
        self.announced = self.announced.max(last_sequence);
        // No heartbeat will follow to take the place of an older announcement; the gap keeps its age.
        let heard_at = self.pending.map_or(now, |older| older.heard_at);
        self.pending = Some(Announcement { last_sequence: self.announced, confirms_until: now, heard_at });
        self.settle();
    }

    /// Closed, and nothing of it is missing.
    pub fn is_finished(&self) -> bool {
        self.closed && self.pending.is_none()
    }

    fn settle(&mut self) {
        if let Some(pending) = self.pending
            && self.committed.through() >= pending.last_sequence
        {
            self.confirmed_until = self.confirmed_until.max(pending.confirms_until);
            self.pending = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_ms(seconds * 1_000)
    }

    fn heartbeat(last_sequence: u64, sent: i64, oldest_open: Option<i64>) -> HeartbeatFacts {
        let open_requests = u64::from(oldest_open.is_some());
        HeartbeatFacts { last_sequence, open_requests, oldest_open_admission: oldest_open.map(at), sent_at: at(sent) }
    }

    #[test]
    fn an_idle_source_is_confirmed_until_its_last_heartbeat() {
        let mut source = SourceState::new(at(10), at(10));
        source.hear_heartbeat(heartbeat(0, 12, None), at(12));
        assert_eq!(source.confirmed_until, at(12));
    }

    #[test]
    fn an_open_request_holds_it_back() {
        let mut source = SourceState::new(at(10), at(10));
        source.hear_heartbeat(heartbeat(0, 30, Some(20)), at(30));
        assert_eq!(source.confirmed_until, at(20));
    }

    #[test]
    fn a_request_settled_but_not_committed_still_holds_it_back() {
        let mut source = SourceState::new(at(10), at(10));
        source.hear_heartbeat(heartbeat(0, 30, Some(20)), at(30));
        // The request of second 20 has sequence 1 by now, and its event is lost on the way.
        source.hear_heartbeat(heartbeat(1, 31, None), at(31));
        source.hear_heartbeat(heartbeat(1, 32, None), at(32));
        assert_eq!(source.confirmed_until, at(20));
        source.record(1, 1, at(33));
        assert_eq!(source.confirmed_until, at(31));
        source.hear_heartbeat(heartbeat(1, 34, None), at(34));
        assert_eq!(source.confirmed_until, at(34));
    }

    #[test]
    fn a_clock_that_was_ahead_confirms_nothing_of_the_future() {
        let mut source = SourceState::new(at(10), at(10));
        source.hear_heartbeat(heartbeat(0, 7_240, None), at(40));
        source.hear_heartbeat(heartbeat(1, 42, None), at(42));
        assert_eq!(source.confirmed_until, at(40));
        source.record(1, 1, at(43));
        assert_eq!(source.confirmed_until, at(42));
    }

    #[test]
    fn a_closed_source_is_finished_when_nothing_is_missing() {
        let mut source = SourceState::new(at(10), at(10));
        source.record(1, 1, at(11));
        source.hear_close(2, at(12));
        assert!(!source.is_finished());
        source.record(2, 2, at(13));
        assert!(source.is_finished());
    }

    #[test]
    fn an_overtaken_heartbeat_says_nothing_new() {
        let mut source = SourceState::new(at(10), at(10));
        source.hear_heartbeat(heartbeat(5, 20, Some(18)), at(20));
        source.hear_heartbeat(heartbeat(3, 15, Some(11)), at(21));
        assert_eq!((source.announced, source.oldest_open_admission), (5, Some(at(18))));
        source.hear_close(7, at(22));
        source.hear_heartbeat(heartbeat(5, 20, Some(18)), at(23));
        source.record(1, 5, at(24));
        assert!(!source.is_finished());
        assert_eq!(source.open_requests, 0);
    }

    #[test]
    fn a_close_below_what_was_announced_leaves_a_gap() {
        let mut source = SourceState::new(at(10), at(10));
        source.hear_heartbeat(heartbeat(2, 20, None), at(20));
        source.hear_close(1, at(30));
        source.record(1, 1, at(31));
        assert_eq!(source.pending.map(|pending| (pending.last_sequence, pending.heard_at)), Some((2, at(20))));
    }
}
