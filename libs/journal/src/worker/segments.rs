//! The segments of a worker: where one is begun, when it is left, and that a disk which takes nothing is not littered.
//!
//! Guarantee: however often a write or a sync fails, one file at most is left of those that could not be begun, and of
//! those that were never synced only the last few. A file goes only while all that it holds is in memory too, and one
//! that could be written goes only once its successor is.

use std::{io, sync::Arc};

use maas_events::SourceId;

use super::WorkerJournal;
use crate::{
    segment::{SegmentHeader, SegmentName},
    source::SegmentInfo,
    storage::SegmentFile,
    syncing::SyncLine,
};

impl WorkerJournal {
    /// A new segment with everything that is not confirmed, or none.
    pub(super) fn begin_segment(&mut self) -> io::Result<Arc<dyn SegmentFile>> {
        self.remove_unbegun()?;
        let SourceId { boot, worker, .. } = self.source.id;
        let name = SegmentName { boot, worker, number: self.segment_number };
        let first_sequence = self.source.state().last_sequence + 1;
        let header = SegmentHeader { source: self.source.id, number: name.number, first_sequence }.encode();
        // Even a creation that has failed may have left a name.
        self.unbegun = Some(name);
        match self.write_first(name, &header) {
            Ok(file) => {
                self.unbegun = None;
                let bytes = (header.len() + self.buffer.len()) as u64;
                let written_at = self.shared.options.clock.now();
                let info = SegmentInfo { name, bytes, last_sequence: None, written_at };
                self.source.state().segments.push_back(info);
                Ok(file)
            }
            Err(error) => {
                // If that fails too, it is tried again before the next one is begun.
                let _ = self.remove_unbegun();
                Err(error)
            }
        }
    }

    fn write_first(&self, name: SegmentName, header: &[u8]) -> io::Result<Arc<dyn SegmentFile>> {
        let file = self.shared.storage.create(&name.to_string())?;
        file.append(header)?;
        file.append(&self.buffer)?;
        Ok(file)
    }

    fn remove_unbegun(&mut self) -> io::Result<()> {
        if let Some(name) = self.unbegun {
            self.shared.storage.remove(&[name.to_string()])?;
            self.unbegun = None;
        }
        Ok(())
    }

    /// A full or failed segment is never written to again, and what is not confirmed is written to the next one.
    pub(super) fn leave_segment(&mut self) {
        self.segment = None;
        self.segment_number += 1;
        self.written = 0;
        if let Some((line, _)) = &self.syncing {
            self.pending.splice(..0, line.take_back());
        }
    }

    /// After a failed sync, while none is under way: what was never synced has confirmed nothing.
    pub(super) fn give_up_unsynced(&mut self, line: &SyncLine) {
        let state = self.source.state();
        let unsynced = state.segments.iter().map(|segment| segment.name).filter(|name| !line.has_synced(name.number));
        self.given_up = unsynced.collect();
    }

    /// What was given up is written elsewhere by now.
    pub(super) fn remove_given_up(&mut self) {
        if self.given_up.is_empty() {
            return;
        }
        let names: Vec<String> = self.given_up.iter().map(ToString::to_string).collect();
        match self.shared.storage.remove(&names) {
            Ok(()) => {
                self.source.state().segments.retain(|segment| !self.given_up.contains(&segment.name));
                self.given_up.clear();
            }
            // Still unsynced when the next sync fails: they are given up once more.
            Err(error) => tracing::warn!(source = %self.source.id, %error, "segments that hold nothing stay for now"),
        }
    }

    pub(super) fn segment_bytes(&self) -> u64 {
        self.source.state().segments.back().map_or(0, |segment| segment.bytes)
    }

    pub(super) fn add_bytes(&self, count: usize) {
        if let Some(segment) = self.source.state().segments.back_mut() {
            segment.bytes += count as u64;
        }
    }
}
