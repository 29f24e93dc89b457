//! What earlier boots left behind.
//!
//! Guarantees: every settled record that is still readable can be shipped under its old source and sequence, each
//! sequence once. A request counts as interrupted only if no segment at all settles it, so that a crash between
//! settling it in a new boot and deleting the old segment makes no second outcome of it. A damaged segment is copied to
//! quarantine, what is intact in it is used, and what is missing is named.
//!
//! If a segment cannot be read or has a newer format, the scan fails and changes nothing; the files stay. Segments are
//! read one at a time; memory holds the open requests, the ids that were settled for another source, and those that
//! the last segment settled.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io,
    ops::RangeInclusive,
    sync::Arc,
};

use bytes::Bytes;
use maas_events::SourceId;
use maas_types::{EventId, Timestamp};

use crate::{
    JournalError, RecordKind,
    journal::Shared,
    record::{RecordView, checksum_seed},
    segment::{HeaderState, Scanned, SegmentName, SegmentScan, read_header},
    source::{OpenRequest, SegmentInfo, Source, SourceState},
};

/// The segments that were there when the journal was opened.
pub struct Recovery {
    shared: Arc<Shared>,
    segments: Vec<SegmentName>,
}

/// One source of an earlier boot. Its settled records are shipped like those of a live one, with
/// [`crate::Journal::take_settled`], and [`crate::Journal::forget`] deletes it once they are committed and its
/// interrupted requests are settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredSource {
    pub source: SourceId,
    /// The last sequence that it settled, as far as can be read.
    pub last_sequence: u64,
    /// To be settled with [`crate::WorkerJournal::settle_interrupted`].
    pub interrupted: Vec<InterruptedRequest>,
    /// Sequences that should be there and cannot be read.
    pub missing: Vec<RangeInclusive<u64>>,
    /// Copied to quarantine.
    pub damaged_segments: usize,
    /// Writes that a crash or a full disk cut short; nothing confirmed was in them.
    pub torn_tails: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterruptedRequest {
    pub event_id: EventId,
    /// The payload of its `ADMIT`.
    pub admission: Bytes,
    /// The payload of its last `PROGRESS`.
    pub progress: Option<Bytes>,
}

/// What has been read of one source so far.
struct SourceScan {
    recovered: RecoveredSource,
    segments: Vec<SegmentInfo>,
    first_sequence: Option<u64>,
    open: HashMap<EventId, (u32, InterruptedRequest)>,
    /// What the last segments settled and the next may repeat, if a write failed between them: an admission among it
    /// is a copy, even if the copy of its settlement was cut off.
    repeatable: HashMap<EventId, u64>,
    oldest_settled: Option<Timestamp>,
}

impl Recovery {
    pub(crate) fn new(shared: Arc<Shared>) -> io::Result<Self> {
        let names = shared.storage.list_segments()?;
        let mut segments = Vec::with_capacity(names.len());
        for name in names {
            match name.parse() {
                Ok(segment) => segments.push(segment),
                Err(()) => {
                    tracing::error!(journal.segment = %name, "a file in the journal is no segment and is left alone")
                }
            }
        }
        segments.sort_unstable();
        Ok(Self { shared, segments })
    }

    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// Reads all of it (blocking) and makes the old sources known to the journal. One that has nothing to ship and
    /// nothing interrupted is deleted at once and not reported, unless something of it was damaged.
    pub fn scan(self) -> Result<Vec<RecoveredSource>, JournalError> {
        let mut scans: BTreeMap<SourceId, SourceScan> = BTreeMap::new();
        let mut settled_elsewhere = HashSet::new();
        for name in &self.segments {
            self.scan_segment(*name, &mut scans, &mut settled_elsewhere)?;
        }
        let mut recovered = Vec::with_capacity(scans.len());
        for mut scan in scans.into_values() {
            scan.open.retain(|event_id, _| !settled_elsewhere.contains(event_id));
            recovered.extend(self.register(scan)?);
        }
        Ok(recovered)
    }

    fn scan_segment(
        &self,
        name: SegmentName,
        scans: &mut BTreeMap<SourceId, SourceScan>,
        settled_elsewhere: &mut HashSet<EventId>,
    ) -> Result<(), JournalError> {
        let segment = name.to_string();
        let bytes = self.shared.storage.read(&segment);
        let bytes = bytes.map_err(|source| JournalError::Unreadable { segment: segment.clone(), source })?;
        let named = SourceId { instance: self.shared.instance, boot: name.boot, worker: name.worker };
        let (source, first_sequence, mut damage) = match read_header(&bytes) {
            HeaderState::Intact(header) => (header.source, Some(header.first_sequence), None),
            HeaderState::Torn => (named, None, None),
            HeaderState::Damaged => (named, None, Some(0..crate::segment::HEADER_LENGTH)),
            HeaderState::UnknownVersion(version) => return Err(JournalError::UnknownFormat { segment, version }),
        };
        let scan = scans.entry(source).or_insert_with(|| SourceScan::new(source));
        scan.begin_segment(name, bytes.len(), first_sequence);
        for scanned in SegmentScan::new(&bytes, checksum_seed(source)) {
            match scanned {
                Scanned::Record(record) => scan.note_record(name.number, &record, settled_elsewhere),
                Scanned::Torn(_) => scan.recovered.torn_tails += 1,
                Scanned::Damaged(range) => {
                    tracing::error!(journal.segment = %segment, from = range.start, to = range.end, "a part of the journal is damaged");
                    damage.get_or_insert(range);
                }
            }
        }
        if damage.is_some() {
            scan.recovered.damaged_segments += 1;
            self.quarantine(&segment);
        }
        Ok(())
    }

    /// Without the copy the evidence lasts until the segment is forgotten; that is no reason to keep usage back.
    fn quarantine(&self, segment: &str) {
        match self.shared.storage.quarantine(segment) {
            Ok(()) => tracing::error!(journal.segment = segment, "a damaged segment was copied to quarantine"),
            Err(error) => {
                tracing::error!(journal.segment = segment, %error, "a damaged segment could not be copied to quarantine")
            }
        }
    }

    fn register(&self, scan: SourceScan) -> Result<Option<RecoveredSource>, JournalError> {
        let (source, recovered) = scan.finish();
        let id = source.id;
        let idle = source.state().uncommitted() == 0 && recovered.interrupted.is_empty();
        if idle {
            source.forget(recovered.last_sequence, self.shared.storage.as_ref())?;
        } else {
            self.shared.add_source(Arc::new(source));
        }
        for missing in &recovered.missing {
            tracing::error!(source = %id, from = missing.start(), to = missing.end(), "settled usage records are missing in the journal");
        }
        let nothing_to_say = idle && recovered.missing.is_empty() && recovered.damaged_segments == 0;
        Ok((!nothing_to_say).then_some(recovered))
    }
}

impl SourceScan {
    fn new(source: SourceId) -> Self {
        let recovered = RecoveredSource {
            source,
            last_sequence: 0,
            interrupted: Vec::new(),
            missing: Vec::new(),
            damaged_segments: 0,
            torn_tails: 0,
        };
        Self {
            recovered,
            segments: Vec::new(),
            first_sequence: None,
            open: HashMap::new(),
            repeatable: HashMap::new(),
            oldest_settled: None,
        }
    }

    fn begin_segment(&mut self, name: SegmentName, length: usize, first_sequence: Option<u64>) {
        self.segments.push(SegmentInfo { name, bytes: length as u64, last_sequence: None });
        if let Some(first) = first_sequence {
            self.expect_next(first);
            self.repeatable.retain(|_, sequence| *sequence >= first);
        }
    }

    fn note_record(&mut self, segment: u32, record: &RecordView<'_>, settled_elsewhere: &mut HashSet<EventId>) {
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
                    settled_elsewhere.insert(event_id);
                }
                self.note_sequence(record.sequence, event_id);
            }
        }
    }

    fn note_sequence(&mut self, sequence: u64, event_id: EventId) {
        self.expect_next(sequence);
        self.recovered.last_sequence = self.recovered.last_sequence.max(sequence);
        self.oldest_settled = self.oldest_settled.into_iter().chain([event_id.created_at()]).min();
        if let Some(segment) = self.segments.last_mut() {
            segment.last_sequence = segment.last_sequence.max(Some(sequence));
        }
    }

    /// Notes a gap if `sequence` is further than one behind the last. The first sequence that is heard of starts the
    /// count: what was before it has been forgotten.
    fn expect_next(&mut self, sequence: u64) {
        if self.first_sequence.is_none() {
            self.first_sequence = Some(sequence);
            self.recovered.last_sequence = sequence.saturating_sub(1);
        }
        let expected = self.recovered.last_sequence + 1;
        if sequence > expected {
            self.recovered.missing.push(expected..=sequence - 1);
            self.recovered.last_sequence = sequence - 1;
        }
    }

    fn finish(mut self) -> (Source, RecoveredSource) {
        let first_sequence = self.first_sequence.unwrap_or(1);
        let mut state = SourceState::new(self.recovered.last_sequence, true);
        state.committed_through = first_sequence.saturating_sub(1);
        state.segments = self.segments.into();
        state.ages.extend(self.oldest_settled.map(|oldest| (first_sequence, oldest)));
        for (event_id, (segment, request)) in self.open {
            state.open.insert(event_id, OpenRequest { segment, settling: false });
            self.recovered.interrupted.push(request);
        }
        self.recovered.interrupted.sort_unstable_by_key(|request| request.event_id);
        (Source::new(self.recovered.source, first_sequence, state), self.recovered)
    }
}
