//! The buffer of a worker, and what it knows of the disk.

use std::{io, sync::Arc, thread::JoinHandle};

use super::{Health, WorkerJournal};
use crate::{
    Flush, JournalError,
    error::is_full,
    journal::{Shared, Syncing},
    record::{self, RecordView},
    source::Source,
    storage::SegmentFile,
    syncing::{SyncLine, Written},
};

/// So much that is not written yet is written without being asked.
pub(super) const BUFFER_BYTES: usize = 64 * 1024;

impl WorkerJournal {
    /// Adds a record to the buffer and gives its length.
    pub(super) fn append(&mut self, record: &RecordView<'_>) -> Result<usize, JournalError> {
        let before = self.buffer.len();
        record::encode(&mut self.buffer, self.seed, record)?;
        let length = self.buffer.len() - before;
        self.accepted += length as u64;
        Ok(length)
    }

    /// Takes back the last record, which is of this length and was not written; if some of it got to the file, it is cut
    /// short there.
    pub(super) fn withdraw_last(&mut self, length: usize) {
        self.buffer.truncate(self.buffer.len() - length);
        self.accepted -= length as u64;
    }

    pub(super) fn flush_if(&mut self, flush: Flush) -> Result<(), JournalError> {
        match flush {
            Flush::Now => self.flush(),
            Flush::Later if self.buffer.len() - self.written >= BUFFER_BYTES => self.flush(),
            Flush::Later => Ok(()),
        }
    }

    /// Writes everything that waits. Where a write finds no room, the ballast makes some, and it is repeated once.
    pub(super) fn write_with_ballast(&mut self) -> io::Result<Arc<dyn SegmentFile>> {
        let error = match self.write_buffer() {
            Ok(file) => return Ok(file),
            Err(error) => error,
        };
        self.leave_segment();
        // Another worker may have given it back since the last write that went well.
        let may_have_room = is_full(&error) && (self.shared.give_back_ballast() || self.health != Health::Failed);
        if !may_have_room {
            return Err(error);
        }
        self.write_buffer().inspect_err(|_| self.leave_segment())
    }

    fn write_buffer(&mut self) -> io::Result<Arc<dyn SegmentFile>> {
        if self.segment.is_some() && self.segment_bytes() >= self.shared.options.segment_bytes {
            self.leave_segment();
        }
        let file = match self.segment.take() {
            Some(file) => {
                file.append(&self.buffer[self.written..])?;
                self.add_bytes(self.buffer.len() - self.written);
                file
            }
            None => self.begin_segment()?,
        };
        self.written = self.buffer.len();
        self.segment = Some(Arc::clone(&file));
        Ok(file)
    }

    /// The buffer is in the file as a whole: confirms it, or leaves that to the sync.
    pub(super) fn note_written(&mut self, file: Arc<dyn SegmentFile>) {
        let segment = self.segment_number;
        match &self.syncing {
            None => {
                self.source.publish(self.pending.drain(..), segment, &self.shared.options);
                self.buffer.clear();
                self.written = 0;
                self.set_health(Health::Good);
            }
            Some((line, _)) => {
                let line = Arc::clone(line);
                // Before anything can be synced again.
                self.remove_given_up();
                let settlements = std::mem::take(&mut self.pending);
                line.hand_over(Written { file, segment, through: self.accepted, settlements });
                if self.health == Health::Failed {
                    self.set_health(Health::OnTrial { segment });
                }
            }
        }
    }

    /// Lets go of what is confirmed, and takes up again what a failed sync has left.
    pub(super) fn take_in_syncs(&mut self) {
        let Some((line, _)) = &self.syncing else { return };
        let line = Arc::clone(line);
        if let Some(returned) = line.take_returned() {
            self.pending.splice(..0, returned);
            self.give_up_unsynced(&line);
            self.leave_segment();
            // The line has noted an obstacle of its own.
            if self.health != Health::Good {
                self.shared.note_obstacle(false);
            }
            self.health = Health::Failed;
        }
        if let Health::OnTrial { segment } = self.health
            && line.has_synced(segment)
        {
            self.set_health(Health::Good);
        }
        let unconfirmed = usize::try_from(self.accepted - line.confirmed()).unwrap_or(usize::MAX);
        let confirmed = self.buffer.len().saturating_sub(unconfirmed);
        self.buffer.drain(..confirmed);
        self.written = self.written.saturating_sub(confirmed);
    }

    pub(super) fn set_health(&mut self, health: Health) {
        let (was_good, is_good) = (self.health == Health::Good, health == Health::Good);
        self.health = health;
        if was_good != is_good {
            self.shared.note_obstacle(!is_good);
        }
    }

    /// Waits for the syncs that are under way. One that failed is made up for, once.
    pub(super) fn finish_syncing(&mut self) {
        let Some((line, thread)) = &mut self.syncing else { return };
        line.end();
        if let Some(thread) = thread.take()
            && thread.join().is_err()
        {
            tracing::error!(source = %self.source.id, "the syncing thread of a journal ended badly");
        }
        let line = Arc::clone(line);
        line.sync_once();
        self.take_in_syncs();
        if !self.buffer.is_empty() && self.flush().is_ok() {
            line.sync_once();
            self.take_in_syncs();
        }
    }
}

pub(super) fn start_syncing(
    shared: &Arc<Shared>,
    source: &Arc<Source>,
) -> Result<(Arc<SyncLine>, Option<JoinHandle<()>>), JournalError> {
    let line = SyncLine::new(Arc::clone(shared), Arc::clone(source));
    let thread = match shared.syncing {
        Syncing::ByHand => None,
        Syncing::OnThread => {
            let runs = Arc::clone(&line);
            let thread = std::thread::Builder::new().name(format!("sync-{}", source.id.worker));
            Some(thread.spawn(move || runs.run()).map_err(|source| JournalError::Failed { source })?)
        }
    };
    Ok((line, thread))
}
