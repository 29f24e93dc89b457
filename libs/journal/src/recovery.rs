//! What earlier boots left behind.
//!
//! Guarantees: every settled record that is still readable and not known to be committed is shipped under its old source
//! and sequence, each sequence once. A request counts as interrupted only if no segment at all settles it, so that a
//! crash between settling it in a new boot and deleting the old segment makes no second outcome of it. A damaged segment
//! is copied to quarantine, what is intact in it is used, and what is missing is named.
//!
//! If a segment cannot be read or has a newer format, the scan fails and changes nothing; the files stay. Segments are
//! read one at a time, and those that nobody needs any more ([`crate::watermarks`]) not beyond their header; memory
//! holds the open requests, and the ids that were settled for another source or may be repeated.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    ops::RangeInclusive,
    sync::{Arc, PoisonError, atomic::Ordering},
};

use maas_events::SourceId;
use maas_types::EventId;

use crate::{
    Durability, JournalError,
    journal::Shared,
    record::checksum_seed,
    scan::{InterruptedRequest, SourceScan},
    segment::{HEADER_LENGTH, HeaderState, Scanned, SegmentName, SegmentScan, read_header},
    source::Source,
    storage::Storage,
    watermarks::{self, Watermarks},
};

/// Live traffic goes first: so many records take less than a millisecond.
const RECORDS_BETWEEN_YIELDS: usize = 1_024;

/// The segments that were there when the journal was opened.
pub struct Recovery {
    shared: Arc<Shared>,
    segments: Vec<SegmentName>,
}

/// One source of an earlier boot. Its settled records are shipped like those of a live one, with
/// [`crate::Journal::take_settled`]; it is kept until they are committed and its interrupted requests are settled.
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

impl Recovery {
    pub(crate) fn new(shared: Arc<Shared>, segments: Vec<SegmentName>) -> Self {
        shared.is_recovered.store(segments.is_empty(), Ordering::Release);
        Self { shared, segments }
    }

    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// Reads all of it (blocking) and makes the old sources known to the journal. One that has nothing to ship and
    /// nothing interrupted is not reported, unless something of it was damaged.
    pub fn scan(self) -> Result<Vec<RecoveredSource>, JournalError> {
        let storage = self.shared.storage.as_ref();
        let marks = read_watermarks(storage);
        let mut damaged = Vec::new();
        let scans = scan_segments(&self.segments, self.shared.instance, &marks, storage, &mut damaged)?;
        self.sync_what_is_there(&marks)?;
        damaged.iter().for_each(|segment| quarantine(segment, storage));
        // Only now: a scan that failed has left no trace.
        *self.shared.last_watermarks.lock().unwrap_or_else(PoisonError::into_inner) = watermarks::encode(&marks);
        let recovered = scans.into_iter().filter_map(|scan| self.register(scan)).collect();
        self.shared.is_recovered.store(true, Ordering::Release);
        Ok(recovered)
    }

    /// With [`Durability::Host`] nothing is shipped that the end of the machine could still take back: a process that was
    /// killed has left records that are in the file and not on the disk.
    fn sync_what_is_there(&self, marks: &Watermarks) -> Result<(), JournalError> {
        if self.shared.options.durability == Durability::Process {
            return Ok(());
        }
        for name in &self.segments {
            let source = SourceId { instance: self.shared.instance, boot: name.boot, worker: name.worker };
            if marks.get(&source).is_some_and(|mark| name.number <= mark.unneeded_through) {
                continue;
            }
            let segment = name.to_string();
            let synced = self.shared.storage.sync(&segment);
            synced.map_err(|source| JournalError::Unreadable { segment, source })?;
        }
        Ok(())
    }

    fn register(&self, scan: SourceScan) -> Option<RecoveredSource> {
        let mut recovered = RecoveredSource {
            source: scan.source,
            last_sequence: 0,
            interrupted: Vec::new(),
            missing: scan.missing.clone(),
            damaged_segments: scan.damaged_segments,
            torn_tails: scan.torn_tails,
        };
        let id = scan.source;
        let (state, first_to_ship, interrupted) = scan.finish();
        recovered.interrupted = interrupted;
        recovered.last_sequence = state.last_sequence;
        for missing in &recovered.missing {
            tracing::error!(source = %id, from = missing.start(), to = missing.end(), "settled usage records are missing in the journal");
        }
        let idle = state.uncommitted() == 0 && recovered.interrupted.is_empty();
        self.shared.add_source(Arc::new(Source::new(id, first_to_ship, state)));
        let nothing_to_say = idle && recovered.missing.is_empty() && recovered.damaged_segments == 0;
        (!nothing_to_say).then_some(recovered)
    }
}

/// The segments by source and age.
pub(crate) fn list_segments(storage: &dyn Storage) -> io::Result<Vec<SegmentName>> {
    let names = storage.list_segments()?;
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
    Ok(segments)
}

/// None if they cannot be read: everything is read and shipped again then, and found to be booked.
pub(crate) fn read_watermarks(storage: &dyn Storage) -> Watermarks {
    match storage.read_watermarks() {
        Ok(None) => Watermarks::new(),
        Ok(Some(content)) => watermarks::decode(&content).unwrap_or_else(|| {
            tracing::error!("the watermarks of the journal are damaged; what is on disk is shipped again");
            Watermarks::new()
        }),
        Err(error) => {
            tracing::error!(%error, "the watermarks of the journal cannot be read; what is on disk is shipped again");
            Watermarks::new()
        }
    }
}

/// Reads the segments; those in which something was damaged are named in `damaged`.
pub(crate) fn scan_segments(
    segments: &[SegmentName],
    instance: uuid::Uuid,
    marks: &Watermarks,
    storage: &dyn Storage,
    damaged: &mut Vec<String>,
) -> Result<Vec<SourceScan>, JournalError> {
    let mut scans: BTreeMap<SourceId, SourceScan> = BTreeMap::new();
    for name in segments {
        let named = SourceId { instance, boot: name.boot, worker: name.worker };
        let unneeded_through = marks.get(&named).map_or(0, |mark| mark.unneeded_through);
        let bytes = SegmentBytes::read(*name, name.number <= unneeded_through, storage)?;
        let (source, first_sequence, header_damaged) = match read_header(&bytes.content) {
            HeaderState::Intact(header) => (header.source, Some(header.first_sequence), false),
            HeaderState::Torn => (named, None, false),
            HeaderState::Damaged => (named, None, true),
            HeaderState::UnknownVersion(version) => {
                return Err(JournalError::UnknownFormat { segment: name.to_string(), version });
            }
        };
        let mark = || marks.get(&source).cloned().unwrap_or_default();
        let scan = scans.entry(source).or_insert_with(|| SourceScan::new(source, mark()));
        if bytes.is_header_only {
            scan.skip_segment(*name, bytes.facts, first_sequence);
            continue;
        }
        scan.begin_segment(*name, bytes.facts, first_sequence);
        if scan_records(scan, name, &bytes.content) || header_damaged {
            scan.damaged_segments += 1;
            damaged.push(name.to_string());
        }
    }
    let mut scans: Vec<_> = scans.into_values().collect();
    end_what_others_settled(&mut scans);
    Ok(scans)
}

struct SegmentBytes {
    content: Vec<u8>,
    facts: crate::storage::FileFacts,
    is_header_only: bool,
}

impl SegmentBytes {
    fn read(name: SegmentName, is_header_only: bool, storage: &dyn Storage) -> Result<Self, JournalError> {
        let segment = name.to_string();
        let most = if is_header_only { HEADER_LENGTH } else { usize::MAX };
        let read = storage.facts(&segment).and_then(|facts| Ok((facts, storage.read(&segment, 0, most)?)));
        let (facts, content) = read.map_err(|source| JournalError::Unreadable { segment, source })?;
        Ok(Self { content, facts, is_header_only })
    }
}

/// True if something in the segment is damaged.
fn scan_records(scan: &mut SourceScan, name: &SegmentName, bytes: &[u8]) -> bool {
    let mut is_damaged = false;
    for (count, scanned) in SegmentScan::new(bytes, checksum_seed(scan.source)).enumerate() {
        if count % RECORDS_BETWEEN_YIELDS == 0 {
            std::thread::yield_now();
        }
        match scanned {
            Scanned::Record(record) => scan.note_record(name.number, &record),
            Scanned::Torn(range) => {
                tracing::info!(journal.segment = %name, from = range.start, to = range.end, "the last write to a segment was cut short");
                scan.torn_tails += 1;
            }
            Scanned::Damaged(range) => {
                tracing::error!(journal.segment = %name, from = range.start, to = range.end, "a part of the journal is damaged");
                is_damaged = true;
            }
        }
    }
    is_damaged
}

/// A later boot settles what an earlier one left open.
fn end_what_others_settled(scans: &mut [SourceScan]) {
    let mut settlers: HashMap<EventId, usize> = HashMap::new();
    for (index, scan) in scans.iter().enumerate() {
        settlers.extend(scan.settled_for_others.iter().map(|event_id| (*event_id, index)));
    }
    let mut needed: Vec<(usize, SourceId)> = Vec::new();
    for scan in scans.iter_mut() {
        let admitted_by = scan.source;
        scan.open.retain(|event_id, _| match settlers.get(event_id) {
            Some(settler) => {
                needed.push((*settler, admitted_by));
                false
            }
            None => true,
        });
    }
    for (settler, admitted_by) in needed {
        if let Some(settler) = scans.get_mut(settler) {
            settler.settles_for.insert(admitted_by);
        }
    }
}

/// Without the copy the evidence lasts until the segment is deleted; that is no reason to keep usage back.
fn quarantine(segment: &str, storage: &dyn Storage) {
    match storage.quarantine(segment) {
        Ok(()) => tracing::error!(journal.segment = segment, "a damaged segment was copied to quarantine"),
        Err(error) => {
            tracing::error!(journal.segment = segment, %error, "a damaged segment could not be copied to quarantine")
        }
    }
}
