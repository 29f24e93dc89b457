//! Looking into a journal without changing anything: for an operator with a folder that nobody writes to any more.

use std::{ops::RangeInclusive, path::Path};

use maas_events::SourceId;
use maas_types::EventId;
use uuid::Uuid;

use crate::{
    JournalError,
    folder::open_existing_folder,
    recovery::{list_segments, read_watermarks, scan_segments},
    scan::SourceScan,
    storage::Storage,
    watermarks::Watermarks,
};

/// What a folder holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    pub instance: Uuid,
    pub sources: Vec<InspectedSource>,
}

/// What is on disk of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectedSource {
    pub source: SourceId,
    pub segments: usize,
    pub bytes: u64,
    /// Settlements that can be read; 0 if there are none.
    pub first_sequence: u64,
    pub last_sequence: u64,
    /// As the last process that wrote here knew it.
    pub committed_through: u64,
    /// Admitted and settled nowhere in the folder; a replay books them as interrupted.
    pub open: Vec<EventId>,
    pub missing: Vec<RangeInclusive<u64>>,
    pub damaged_segments: usize,
    pub torn_tails: usize,
}

/// Reads a whole journal (blocking). Refused while a process has it, and for a folder that is none.
pub fn inspect(folder: &Path) -> Result<Inspection, JournalError> {
    let (storage, instance) = open_existing_folder(folder)?;
    let unusable = |source| JournalError::Folder { path: folder.to_owned(), source };
    let segments = list_segments(&storage).map_err(unusable)?;
    let marks = read_watermarks(&storage);
    // Nothing is left out: whether what nobody needs is still readable is worth knowing too.
    let scans = scan_segments(&segments, instance, &Watermarks::new(), &storage as &dyn Storage, &mut Vec::new())?;
    let sources = scans.into_iter().map(|scan| {
        let committed_through = marks.get(&scan.source).map_or(0, |mark| mark.committed_through);
        inspected(scan, committed_through)
    });
    Ok(Inspection { instance, sources: sources.collect() })
}

fn inspected(scan: SourceScan, committed_through: u64) -> InspectedSource {
    let mut open: Vec<_> = scan.open.keys().copied().collect();
    open.sort_unstable();
    InspectedSource {
        source: scan.source,
        segments: scan.segments.len(),
        bytes: scan.segments.iter().map(|segment| segment.bytes).sum(),
        first_sequence: scan.first_settled.unwrap_or(0),
        last_sequence: scan.last_sequence,
        committed_through,
        open,
        missing: scan.missing,
        damaged_segments: scan.damaged_segments,
        torn_tails: scan.torn_tails,
    }
}
