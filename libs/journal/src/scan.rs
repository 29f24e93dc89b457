//! What has been read of one source, segment by segment.
//!
//! Guarantees: a request counts as open only if none of its source's segments settles it, also if a write or a sync
//! failed in between and left copies; a sequence that should be there and was not found is named.

use std::{
    collections::{BTreeSet, HashMap},
    ops::RangeInclusive,
};

use bytes::Bytes;
use maas_events::SourceId;
use maas_types::{EventId, Timestamp};

use crate::{
    RecordKind,
    record::RecordView,
    segment::SegmentName,
    source::{OpenRequest, SegmentInfo, SourceState},
    storage::FileFacts,
    watermarks::SourceMark,
};

/// A request that its process did not settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterruptedRequest {
    pub event_id: EventId,
    /// The payload of its `ADMIT`.
    pub admission: Bytes,
    /// The payload of its last `PROGRESS`.
    pub progress: Option<Bytes>,
}

pub(crate) struct SourceScan {
    pub source: SourceId,
    /// What the last boot knew of it.
    mark: SourceMark,
    pub segments: Vec<SegmentInfo>,
    pub last_sequence: u64,
    first_sequence: Option<u64>,
    /// With the segment of the admission.
    pub open: HashMap<EventId, (u32, InterruptedRequest)>,
    /// What was settled without having been admitted here, by earlier sources then.
    pub settled_for_others: Vec<EventId>,
    pub settles_for: BTreeSet<SourceId>,
    pub missing: Vec<RangeInclusive<u64>>,
    pub damaged_segments: usize,
    pub torn_tails: usize,
    /// The first settlement that was read.
    pub first_settled: Option<u64>,
    /// What was settled and a later segment may repeat, if a write or sync failed between them: an admission among it is
    /// a copy, even if the copy of its settlement was cut off.
    repeatable: HashMap<EventId, u64>,
    oldest_settled: Option<Timestamp>,
}

impl SourceScan {
    pub fn new(source: SourceId, mark: SourceMark) -> Self {
        Self {
            source,
            settles_for: mark.settles_for.clone(),
            mark,
            segments: Vec::new(),
            last_sequence: 0,
            first_sequence: None,
            open: HashMap::new(),
            settled_for_others: Vec::new(),
            missing: Vec::new(),
            damaged_segments: 0,
            torn_tails: 0,
            first_settled: None,
            repeatable: HashMap::new(),
            oldest_settled: None,
        }
    }

    /// Nothing of this segment is needed: only what its header says is noted.
    pub fn skip_segment(&mut self, name: SegmentName, facts: FileFacts, first_sequence: Option<u64>) {
        if let Some(first) = first_sequence {
            self.skipped_up_to(first.saturating_sub(1));
            self.first_sequence.get_or_insert(first);
        }
        self.add_segment(name, facts);
    }

    /// `first_sequence`: the lowest that was not confirmed when the segment was begun, if its header is intact. It and all
    /// later segments hold nothing below it.
    pub fn begin_segment(&mut self, name: SegmentName, facts: FileFacts, first_sequence: Option<u64>) {
        if let Some(first) = first_sequence {
            self.skipped_up_to(first.saturating_sub(1));
            self.expect_next(first);
            self.repeatable.retain(|_, sequence| *sequence >= first);
        }
        self.add_segment(name, facts);
    }

    pub fn note_record(&mut self, segment: u32, record: &RecordView<'_>) {
        let event_id = record.event_id;
        match record.kind {
            RecordKind::Admit if self.repeatable.contains_key(&event_id) => {}
            RecordKind::Admit => {
                let admission = Bytes::copy_from_slice(record.payload);
                let request = InterruptedRequest { event_id, admission, progress: None };
                self.open.entry(event_id).or_insert((segment, request));
            }
            RecordKind::Progress => {
                if let Some((_, request)) = self.open.get_mut(&event_id) {
                    request.progress = Some(Bytes::copy_from_slice(record.payload));
                }
            }
            RecordKind::Settle => {
                let repeated = self.repeatable.insert(event_id, record.sequence).is_some();
                if self.open.remove(&event_id).is_none() && !repeated {
                    self.settled_for_others.push(event_id);
                }
                self.note_sequence(record.sequence, event_id);
            }
        }
    }

    /// What shipping has to know, and the first sequence that is to be shipped.
    pub fn finish(mut self) -> (SourceState, u64, Vec<InterruptedRequest>) {
        self.skipped_up_to(self.mark.committed_through);
        self.last_sequence = self.last_sequence.max(self.mark.committed_through);
        let forgotten_through = self.first_sequence.unwrap_or(1).saturating_sub(1);
        let mut state = SourceState::new(self.last_sequence, true);
        state.committed_through = forgotten_through.max(self.mark.committed_through);
        state.closed = self.mark.closed;
        state.unneeded_through = self.mark.unneeded_through;
        state.settles_for = self.settles_for;
        state.segments = self.segments.into();
        let first_to_ship = state.committed_through + 1;
        state.ages.extend(self.oldest_settled.map(|oldest| (first_to_ship, oldest)));
        let mut interrupted = Vec::with_capacity(self.open.len());
        for (event_id, (segment, request)) in self.open {
            state.open.insert(event_id, OpenRequest { segment, settling: false });
            interrupted.push(request);
        }
        interrupted.sort_unstable_by_key(|request| request.event_id);
        (state, first_to_ship, interrupted)
    }

    fn add_segment(&mut self, name: SegmentName, facts: FileFacts) {
        let FileFacts { length, written_at } = facts;
        self.segments.push(SegmentInfo { name, bytes: length, last_sequence: None, written_at });
    }

    /// Segments that were skipped hold everything up to where the next one begins.
    fn skipped_up_to(&mut self, sequence: u64) {
        let skipped_through = self.mark.unneeded_through;
        let skipped = self.segments.last_mut().filter(|segment| segment.name.number <= skipped_through);
        if let Some(segment) = skipped
            && sequence > self.last_sequence
        {
            segment.last_sequence = Some(sequence);
            self.last_sequence = sequence;
        }
    }

    fn note_sequence(&mut self, sequence: u64, event_id: EventId) {
        self.expect_next(sequence);
        self.first_settled.get_or_insert(sequence);
        self.last_sequence = self.last_sequence.max(sequence);
        if sequence > self.mark.committed_through {
            self.oldest_settled = self.oldest_settled.into_iter().chain([event_id.created_at()]).min();
        }
        if let Some(segment) = self.segments.last_mut() {
            segment.last_sequence = segment.last_sequence.max(Some(sequence));
        }
    }

    /// Notes a gap if `sequence` is further than one behind the last. The first sequence that is heard of starts the
    /// count, or the committed one: what was before it may have been forgotten.
    fn expect_next(&mut self, sequence: u64) {
        if self.first_sequence.is_none() {
            self.first_sequence = Some(sequence);
            self.last_sequence = sequence.saturating_sub(1).max(self.mark.committed_through);
        }
        let expected = self.last_sequence + 1;
        if sequence > expected {
            self.missing.push(expected..=sequence - 1);
            self.last_sequence = sequence - 1;
        }
    }
}
