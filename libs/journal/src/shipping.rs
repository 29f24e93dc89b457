//! Handing out settled records: from memory, or read back from the segments.
//!
//! Guarantees: records are handed out in the order of their sequence, each once, unless a resend asks for it. Files are
//! read a part at a time, so that neither memory nor the time of one call grows with what waits. A segment that cannot
//! be read fails the call and loses nothing: the next call tries again. A record is called missing, loudly, only when
//! no segment has it.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{
    JournalError, MAX_RECORD_LENGTH, RecordKind,
    record::{self, checksum_seed},
    segment::{HEADER_LENGTH, SegmentName},
    source::{SettledRecord, Source, SourceState},
    storage::Storage,
};

/// What is read at once: less than a millisecond of work.
const READ_BYTES: usize = 512 * 1024;

/// The shipping side of a source.
pub(crate) struct Shipping {
    next_sequence: u64,
    /// Read back and not taken yet; begins with the next sequence.
    backlog: VecDeque<SettledRecord>,
    /// Where reading goes on.
    position: Option<Position>,
}

#[derive(Clone, Copy)]
struct Position {
    segment: SegmentName,
    offset: u64,
}

impl Shipping {
    pub fn from(next_sequence: u64) -> Self {
        Self { next_sequence, backlog: VecDeque::new(), position: None }
    }

    /// Up to `max` records that were not taken before; none only if none waits.
    pub fn take_settled(
        &mut self,
        source: &Source,
        max: usize,
        storage: &dyn Storage,
    ) -> Result<Vec<SettledRecord>, JournalError> {
        loop {
            let mut taken = drain(&mut self.backlog, max);
            if taken.is_empty() {
                let mut state = source.state();
                if state.ready.front().is_some_and(|record| record.sequence == self.next_sequence) {
                    taken = drain(&mut state.ready, max);
                }
            }
            if let Some(last) = taken.last() {
                self.next_sequence = last.sequence + 1;
                return Ok(taken);
            }
            if !self.read_backlog(source, storage)? {
                return Ok(Vec::new());
            }
        }
    }

    /// Passes over what need not be shipped any more.
    pub fn skip_through(&mut self, sequence: u64, state: &mut SourceState) {
        if sequence < self.next_sequence {
            return;
        }
        self.next_sequence = sequence + 1;
        while self.backlog.pop_front_if(|record| record.sequence <= sequence).is_some() {}
        while state.ready.pop_front_if(|record| record.sequence <= sequence).is_some() {}
    }

    /// Reads on from the segment that holds the next sequence; false if everything was taken.
    fn read_backlog(&mut self, source: &Source, storage: &dyn Storage) -> Result<bool, JournalError> {
        let Some((last, segment)) = self.next_segment(source) else { return Ok(false) };
        let mut found = VecDeque::new();
        if let Some(segment) = segment {
            let mut reader = Reader::at(self.position.filter(|position| position.segment == segment), segment, source);
            while found.is_empty() && !reader.at_end {
                reader.read_part(self.next_sequence, last, storage, &mut found)?;
            }
            self.position = (!reader.at_end).then_some(reader.position);
        }
        if found.front().is_none_or(|record| record.sequence != self.next_sequence) {
            found = self.search(source, last, storage)?;
        }
        self.backlog = found;
        Ok(true)
    }

    /// The last sequence to be read back, and the segment that should hold the next one.
    fn next_segment(&self, source: &Source) -> Option<(u64, Option<SegmentName>)> {
        let mut state = source.state();
        let last = state.ready.front().map_or(state.last_sequence, |record| record.sequence - 1);
        if self.next_sequence > last {
            return None;
        }
        if state.ready.is_empty() {
            // What settles from now on follows `last` and may gather in memory again.
            state.spilled = false;
        }
        let holds_next = state.segments.iter().find(|segment| segment.last_sequence >= Some(self.next_sequence));
        Some((last, holds_next.map(|segment| segment.name)))
    }

    /// Looks for the next sequence everywhere, since it is not where it should be; if it is nowhere, everything up to
    /// the next one that is found is missing.
    fn search(
        &mut self,
        source: &Source,
        last: u64,
        storage: &dyn Storage,
    ) -> Result<VecDeque<SettledRecord>, JournalError> {
        self.position = None;
        let names: Vec<_> = source.state().segments.iter().map(|segment| segment.name).collect();
        let mut nearest: VecDeque<SettledRecord> = VecDeque::new();
        for name in names {
            let before = nearest.front().map_or(last, |record| record.sequence - 1);
            let mut found = VecDeque::new();
            let mut reader = Reader::at(None, name, source);
            while found.is_empty() && !reader.at_end && self.next_sequence <= before {
                reader.read_part(self.next_sequence, before, storage, &mut found)?;
            }
            if !found.is_empty() {
                nearest = found;
            }
        }
        let next = nearest.front().map_or(last + 1, |record| record.sequence);
        if next > self.next_sequence {
            tracing::error!(source = %source.id, from = self.next_sequence, to = next - 1, "settled usage records are missing in the journal");
            self.next_sequence = next;
        }
        Ok(nearest)
    }
}

impl Source {
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
            let holds = state.segments.iter().filter(|segment| segment.last_sequence >= Some(first));
            (holds.map(|segment| segment.name).collect::<Vec<_>>(), last.min(state.last_sequence))
        };
        let mut found: VecDeque<SettledRecord> = VecDeque::new();
        for name in names {
            let mut reader = Reader::at(None, name, self);
            loop {
                let from = found.back().map_or(first, |record| record.sequence + 1);
                if from > last || found.len() >= max || reader.at_end {
                    break;
                }
                reader.read_part(from, last, storage, &mut found)?;
            }
        }
        found.truncate(max);
        Ok(found.into())
    }
}

/// Reads one segment, part by part.
struct Reader {
    position: Position,
    seed: u32,
    at_end: bool,
}

impl Reader {
    fn at(position: Option<Position>, segment: SegmentName, source: &Source) -> Self {
        let position = position.unwrap_or(Position { segment, offset: HEADER_LENGTH as u64 });
        Self { position, seed: checksum_seed(source.id), at_end: false }
    }

    /// Adds those of the next part's settlements that are in `first..=last`, ascending.
    fn read_part(
        &mut self,
        mut first: u64,
        last: u64,
        storage: &dyn Storage,
        found: &mut VecDeque<SettledRecord>,
    ) -> Result<(), JournalError> {
        let segment = self.position.segment.to_string();
        let bytes = storage.read(&segment, self.position.offset, READ_BYTES);
        let bytes = Bytes::from(bytes.map_err(|source| JournalError::Unreadable { segment, source })?);
        let is_last_part = bytes.len() < READ_BYTES;
        let mut at = 0;
        while at < bytes.len() && first <= last {
            if let Some((record, length)) = record::decode(&bytes[at..], self.seed) {
                if record.kind == RecordKind::Settle && (first..=last).contains(&record.sequence) {
                    let payload = bytes.slice_ref(record.payload);
                    found.push_back(SettledRecord { sequence: record.sequence, event_id: record.event_id, payload });
                    first = record.sequence + 1;
                }
                at += length;
            } else if !is_last_part && bytes.len() - at < MAX_RECORD_LENGTH {
                // It may go on in the next part.
                break;
            } else {
                // Damaged, or cut short.
                at += 1;
            }
        }
        self.position.offset += at as u64;
        self.at_end = is_last_part && at >= bytes.len();
        Ok(())
    }
}

fn drain(queue: &mut VecDeque<SettledRecord>, max: usize) -> Vec<SettledRecord> {
    let count = max.min(queue.len());
    queue.drain(..count).collect()
}
