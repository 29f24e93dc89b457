//! What is known of one source: its segments, its open requests, and what waits for shipping.
//!
//! Guarantees: settled records are handed out in the order of their sequence, each once, and only after they reached
//! the file; memory holds a bounded number of them, the rest is read back. Segments are given up oldest first and only
//! when nothing in them or before them is open or uncommitted, so an `ADMIT` never outlives its `SETTLE` on disk.
//! A segment that cannot be read fails the call and loses nothing: the next call tries again.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use maas_events::SourceId;
use maas_types::{EventId, Timestamp};

use crate::{
    JournalError, RecordKind,
    record::checksum_seed,
    segment::{SegmentName, SegmentScan},
    storage::Storage,
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

/// What a heartbeat says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceStatus {
    /// The last sequence that is in the file; 0 before the first.
    pub last_sequence: u64,
    pub open_requests: usize,
    pub oldest_open_admission: Option<Timestamp>,
    /// No record will follow: the source is of an earlier boot, or its worker has ended.
    pub sealed: bool,
}

pub(crate) struct SegmentInfo {
    pub name: SegmentName,
    pub bytes: u64,
    /// The last sequence settled in it.
    pub last_sequence: Option<u64>,
}

pub(crate) struct OpenRequest {
    /// The segment that holds its `ADMIT`, or an older one.
    pub segment: u32,
    /// Its `SETTLE` waits in a buffer.
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
    /// Settled records without a gap; what is missing before or after it is in the file.
    pub ready: VecDeque<SettledRecord>,
    /// Set when `ready` was full: nothing is added until it has been emptied, so that it has no gap.
    pub spilled: bool,
    /// Some sequences with the time they were settled at, ascending, all uncommitted.
    pub ages: VecDeque<(u64, Timestamp)>,
}

/// The shipping side of a source.
struct Shipping {
    next_sequence: u64,
    /// Read back from one segment.
    backlog: VecDeque<SettledRecord>,
}

/// The worker takes `state` for moments only; `shipping` may be held while files are read. Locked in the order
/// `shipping`, `state`.
pub(crate) struct Source {
    pub id: SourceId,
    shipping: Mutex<Shipping>,
    state: Mutex<SourceState>,
}

impl Source {
    pub fn new(id: SourceId, first_sequence: u64, state: SourceState) -> Self {
        let shipping = Shipping { next_sequence: first_sequence, backlog: VecDeque::new() };
        Self { id, shipping: Mutex::new(shipping), state: Mutex::new(state) }
    }

    pub fn state(&self) -> MutexGuard<'_, SourceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shipping(&self) -> MutexGuard<'_, Shipping> {
        self.shipping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn status(&self) -> SourceStatus {
        let state = self.state();
        SourceStatus {
            last_sequence: state.last_sequence,
            open_requests: state.open.len(),
            oldest_open_admission: state.open.keys().next().map(|id| id.created_at()),
            sealed: state.sealed,
        }
    }

    /// Up to `max` records that were not taken before.
    pub fn take_settled(&self, max: usize, storage: &dyn Storage) -> Result<Vec<SettledRecord>, JournalError> {
        let mut shipping = self.shipping();
        loop {
            let mut taken = drain(&mut shipping.backlog, max);
            if taken.is_empty() {
                let mut state = self.state();
                if state.ready.front().is_some_and(|record| record.sequence == shipping.next_sequence) {
                    taken = drain(&mut state.ready, max);
                }
            }
            if let Some(last) = taken.last() {
                shipping.next_sequence = last.sequence + 1;
                return Ok(taken);
            }
            if !self.read_backlog(&mut shipping, storage)? {
                return Ok(Vec::new());
            }
        }
    }

    /// Reads back the segment that holds the next sequence; false if everything was taken.
    fn read_backlog(&self, shipping: &mut Shipping, storage: &dyn Storage) -> Result<bool, JournalError> {
        let (last, segment) = {
            let mut state = self.state();
            let last = state.ready.front().map_or(state.last_sequence, |record| record.sequence - 1);
            if shipping.next_sequence > last {
                return Ok(false);
            }
            if state.ready.is_empty() {
                // What settles from now on follows `last` and may gather in memory again.
                state.spilled = false;
            }
            (last, state.segment_from(shipping.next_sequence).map(|segment| (segment.name, segment.last_sequence)))
        };
        let Some((name, segment_last)) = segment else {
            tracing::error!(source = %self.id, from = shipping.next_sequence, to = last, "settled usage records are missing in the journal");
            shipping.next_sequence = last + 1;
            return Ok(true);
        };
        let mut found = VecDeque::new();
        self.read_segment(name, shipping.next_sequence, last, storage, &mut found)?;
        if found.is_empty() {
            let to = segment_last.unwrap_or(last).min(last);
            tracing::error!(source = %self.id, from = shipping.next_sequence, to, "settled usage records are missing in the journal");
            shipping.next_sequence = to + 1;
        }
        shipping.backlog = found;
        Ok(true)
    }

    /// The first `max` of the records `first..=last` that are still on disk, for a resend; what is gone is missing in
    /// the answer.
    pub fn settled_range(
        &self,
        first: u64,
        last: u64,
        max: usize,
        storage: &dyn Storage,
    ) -> Result<Vec<SettledRecord>, JournalError> {
        // Keeps segments from being deleted meanwhile.
        let _shipping = self.shipping();
        let (names, last) = {
            let state = self.state();
            let last = last.min(state.last_sequence);
            let mut names = Vec::new();
            for segment in state.segments.iter().filter(|segment| segment.last_sequence >= Some(first)) {
                names.push(segment.name);
                // What follows begins behind it.
                if segment.last_sequence >= Some(last) {
                    break;
                }
            }
            (names, last)
        };
        let mut found = VecDeque::new();
        for name in names {
            let from = found.back().map_or(first, |record: &SettledRecord| record.sequence + 1);
            if from > last || found.len() >= max {
                break;
            }
            self.read_segment(name, from, last, storage, &mut found)?;
        }
        found.truncate(max);
        Ok(found.into())
    }

    fn read_segment(
        &self,
        name: SegmentName,
        mut first: u64,
        last: u64,
        storage: &dyn Storage,
        found: &mut VecDeque<SettledRecord>,
    ) -> Result<(), JournalError> {
        let segment = name.to_string();
        let bytes = storage.read(&segment).map_err(|source| JournalError::Unreadable { segment, source })?;
        for record in SegmentScan::new(&bytes, checksum_seed(self.id)).records() {
            if record.kind == RecordKind::Settle && (first..=last).contains(&record.sequence) {
                let payload = Bytes::copy_from_slice(record.payload);
                found.push_back(SettledRecord { sequence: record.sequence, event_id: record.event_id, payload });
                first = record.sequence + 1;
            }
        }
        Ok(())
    }

    /// Notes the watermark and deletes what it covers. True if nothing is left of a sealed source.
    pub fn forget(&self, committed_through: u64, storage: &dyn Storage) -> Result<bool, JournalError> {
        let _shipping = self.shipping();
        loop {
            let name = {
                let mut state = self.state();
                state.note_committed(committed_through);
                let Some(name) = state.expendable() else {
                    return Ok(state.sealed && state.segments.is_empty());
                };
                name
            };
            // Off the lock: the folder is synced, and the worker must not wait for that.
            storage.remove(&name.to_string()).map_err(JournalError::from_write)?;
            self.state().segments.pop_front();
        }
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
            ready: VecDeque::new(),
            spilled: false,
            ages: VecDeque::new(),
        }
    }

    /// Makes a record that is in the file available for shipping.
    pub fn publish(&mut self, record: SettledRecord, settled_at: Timestamp, ready_records: usize) {
        self.last_sequence = record.sequence;
        if let Some(segment) = self.segments.back_mut() {
            segment.last_sequence = Some(record.sequence);
        }
        if self.ages.back().is_none_or(|(_, last)| settled_at.since(*last) >= AGE_RESOLUTION) {
            self.ages.push_back((record.sequence, settled_at));
        }
        self.spilled |= self.ready.len() >= ready_records;
        if !self.spilled {
            self.ready.push_back(record);
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

    fn segment_from(&self, sequence: u64) -> Option<&SegmentInfo> {
        self.segments.iter().find(|segment| segment.last_sequence >= Some(sequence))
    }

    /// The oldest segment, if nobody needs it any more.
    fn expendable(&self) -> Option<SegmentName> {
        let oldest = self.segments.front()?;
        let in_use = self.segments.len() == 1 && !self.sealed;
        let covered = oldest.last_sequence <= Some(self.committed_through);
        // A settlement that a failed write left in an older segment is confirmed only with its copy in a newer one;
        // nothing older than an open admission goes, so that no admission outlives its settlement.
        let open = || self.open.values().any(|request| request.segment <= oldest.name.number);
        (!in_use && covered && !open()).then_some(oldest.name)
    }
}

fn drain(queue: &mut VecDeque<SettledRecord>, max: usize) -> Vec<SettledRecord> {
    let count = max.min(queue.len());
    queue.drain(..count).collect()
}
