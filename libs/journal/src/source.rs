//! What is known of one source: its segments, its open requests, and what waits for shipping.
//!
//! Guarantees: a settled record can be shipped only once it is confirmed; memory holds a bounded number of those that
//! wait, the rest is read back ([`crate::shipping`]). A segment is needed as long as anything in it or before it is
//! open or uncommitted, so an `ADMIT` never outlives its `SETTLE` on disk; which of those that nobody needs are kept
//! for a while is decided in [`crate::retention`].

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use maas_events::SourceId;
use maas_types::{EventId, Timestamp};

use crate::{
    JournalError, JournalOptions, segment::SegmentName, shipping::Shipping, storage::Storage, syncing::Settlement,
};

/// How exact the age of the oldest uncommitted event is.
const AGE_RESOLUTION: Duration = Duration::from_millis(100);

/// One `SETTLE`, as it is in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledRecord {
    pub sequence: u64,
    pub event_id: EventId,
    pub payload: Bytes,
}

/// What a heartbeat says, and how far the source is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceStatus {
    /// The last sequence that is confirmed; 0 before the first.
    pub last_sequence: u64,
    pub open_requests: usize,
    pub oldest_open_admission: Option<Timestamp>,
    /// No record will follow: the source is of an earlier boot, or its worker has ended.
    pub sealed: bool,
    /// The watermark as it was last heard, by this boot or the one before.
    pub committed_through: u64,
    /// Its last word was delivered.
    pub closed: bool,
}

pub(crate) struct SegmentInfo {
    pub name: SegmentName,
    pub bytes: u64,
    /// The last sequence that was confirmed in it.
    pub last_sequence: Option<u64>,
    /// When it was last written to, as exact as its age has to be known.
    pub written_at: Timestamp,
}

pub(crate) struct OpenRequest {
    /// The segment that holds its `ADMIT`, or an older one.
    pub segment: u32,
    /// Its `SETTLE` waits in a buffer, or for its sync.
    pub settling: bool,
}

pub(crate) struct SourceState {
    /// Oldest first.
    pub segments: VecDeque<SegmentInfo>,
    /// By event id, which is by admission time.
    pub open: BTreeMap<EventId, OpenRequest>,
    pub last_sequence: u64,
    pub committed_through: u64,
    pub sealed: bool,
    pub closed: bool,
    /// The number of the last segment of which the next start need not know anything: everything in it and before it is
    /// ended and committed. It is on disk, beside the segments.
    pub unneeded_through: u32,
    /// Earlier sources whose requests are settled here: these settlements are needed as long as their admissions.
    pub settles_for: BTreeSet<SourceId>,
    /// Settled records without a gap; what is missing before or after it is in the file.
    pub ready: VecDeque<SettledRecord>,
    /// Set when `ready` was full: nothing is added until it has been emptied, so that it has no gap.
    pub spilled: bool,
    /// Some sequences with the time they were settled at, ascending, all uncommitted.
    pub ages: VecDeque<(u64, Timestamp)>,
}

/// The worker and its syncing thread take `state` for moments only; `shipping` may be held while files are read. Locked
/// in the order `shipping`, `state`.
pub(crate) struct Source {
    pub id: SourceId,
    shipping: Mutex<Shipping>,
    state: Mutex<SourceState>,
}

impl Source {
    pub fn new(id: SourceId, first_sequence: u64, state: SourceState) -> Self {
        Self { id, shipping: Mutex::new(Shipping::from(first_sequence)), state: Mutex::new(state) }
    }

    pub fn state(&self) -> MutexGuard<'_, SourceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held, it keeps segments from being deleted.
    pub fn shipping(&self) -> MutexGuard<'_, Shipping> {
        self.shipping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn status(&self) -> SourceStatus {
        let state = self.state();
        SourceStatus {
            last_sequence: state.last_sequence,
            open_requests: state.open.len(),
            oldest_open_admission: state.open.keys().next().map(|id| id.created_at()),
            sealed: state.sealed,
            committed_through: state.committed_through,
            closed: state.closed,
        }
    }

    /// Makes settlements that are confirmed in this segment available for shipping, and ends their requests.
    pub fn publish(
        &self,
        settlements: impl ExactSizeIterator<Item = Settlement>,
        segment: u32,
        options: &JournalOptions,
    ) {
        if settlements.len() == 0 {
            return;
        }
        let now = options.clock.now();
        let mut earlier_requests: Vec<(Arc<Self>, EventId)> = Vec::new();
        {
            let mut state = self.state();
            for (record, earlier) in settlements {
                match earlier {
                    None => drop(state.open.remove(&record.event_id)),
                    Some(earlier) => earlier_requests.push((earlier, record.event_id)),
                }
                state.publish(record, now, options.ready_records);
            }
            state.note_confirmed(segment, now);
        }
        for (earlier, event_id) in earlier_requests {
            earlier.state().open.remove(&event_id);
        }
    }

    /// Up to `max` records that were not taken before.
    pub fn take_settled(&self, max: usize, storage: &dyn Storage) -> Result<Vec<SettledRecord>, JournalError> {
        self.shipping().take_settled(self, max, storage)
    }

    /// Takes the watermark as it is, also one that went back. What it covers need not be shipped any more.
    pub fn note_committed(&self, committed_through: u64) {
        let mut shipping = self.shipping();
        let mut state = self.state();
        state.note_committed(committed_through);
        shipping.skip_through(committed_through.min(state.last_sequence), &mut state);
    }
}

impl SourceState {
    pub fn new(last_sequence: u64, sealed: bool) -> Self {
        Self {
            segments: VecDeque::new(),
            open: BTreeMap::new(),
            last_sequence,
            committed_through: 0,
            sealed,
            closed: false,
            unneeded_through: 0,
            settles_for: BTreeSet::new(),
            ready: VecDeque::new(),
            spilled: false,
            ages: VecDeque::new(),
        }
    }

    fn publish(&mut self, record: SettledRecord, settled_at: Timestamp, ready_records: usize) {
        self.last_sequence = record.sequence;
        if self.ages.back().is_none_or(|(_, last)| settled_at.since(*last) >= AGE_RESOLUTION) {
            self.ages.push_back((record.sequence, settled_at));
        }
        self.spilled |= self.ready.len() >= ready_records;
        if !self.spilled {
            self.ready.push_back(record);
        }
    }

    /// Notes that this segment holds everything up to the last sequence.
    fn note_confirmed(&mut self, segment: u32, now: Timestamp) {
        let last_sequence = self.last_sequence;
        if let Some(segment) = self.segments.iter_mut().rfind(|info| info.name.number == segment) {
            segment.last_sequence = Some(last_sequence);
            segment.written_at = now;
        }
    }

    pub fn uncommitted(&self) -> u64 {
        self.last_sequence.saturating_sub(self.committed_through)
    }

    /// When the oldest uncommitted event was settled.
    pub fn oldest_uncommitted(&self) -> Option<Timestamp> {
        self.ages.front().map(|(_, settled_at)| *settled_at).filter(|_| self.uncommitted() > 0)
    }

    fn note_committed(&mut self, committed_through: u64) {
        self.committed_through = committed_through;
        // The last entry at or below the next uncommitted sequence is its age, at worst one resolution too old.
        while self.ages.get(1).is_some_and(|(sequence, _)| *sequence <= committed_through.saturating_add(1)) {
            self.ages.pop_front();
        }
        if self.uncommitted() == 0 {
            self.ages.clear();
        }
    }

    /// How many of the oldest segments nobody needs: they could be gone.
    pub fn unneeded_segments(&self) -> usize {
        // Nothing as young as an open admission is unneeded, so that no admission outlives its settlement.
        let open_from = self.open.values().map(|request| request.segment).min().unwrap_or(u32::MAX);
        let covered = |segment: &&SegmentInfo| {
            segment.name.number < open_from && segment.last_sequence <= Some(self.committed_through)
        };
        // The last one is written to, or keeps the source known until its last word is told.
        let is_ended = self.sealed && self.closed;
        let ended = if is_ended { self.segments.len() } else { self.segments.len().saturating_sub(1) };
        self.segments.iter().take(ended).take_while(covered).count()
    }
}
