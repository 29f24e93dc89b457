//! The writing side of one source, used by one thread.
//!
//! Guarantees, by what fails:
//! - `admit` with [`Flush::Now`] fails: the admission is withdrawn, nothing of it will be found. Refuse the request.
//! - a write finds no room: the ballast ([`crate::ballast`]) is given back, and it is repeated once. Only if that fails
//!   too is it a failure;
//! - `settle` fails with `Full` or `Failed`: its sequence stands and the record is kept in memory, in order; the next
//!   flush that succeeds writes it. Until then a crash makes the request `interrupted`: the end of its answer is to be
//!   held back until [`WorkerJournal::is_confirmed`]. Do not settle it again.
//! - `flush` fails: everything stays in memory as above. An admission made with [`Flush::Later`] stands and has to be
//!   settled, as refused if its upstream was not called.
//! - after any failed write or sync the file is left as it is and the next flush begins a new segment, starting with
//!   everything that is not confirmed, so a record can be on disk twice; readers take each sequence once. A segment that
//!   cannot be begun is removed again (`segments`).
//!
//! With [`Durability::Host`] every new segment begins with everything that is not confirmed, also after one that was
//! merely full: should the machine end before either is synced, no later record is left without an earlier one.
//!
//! A worker whose write or sync failed stops all admissions ([`WorkerJournal::can_admit`]) until a later one succeeds:
//! call `flush` every second even when idle.

mod segments;
mod writing;

use std::{collections::btree_map::Entry, sync::Arc, thread::JoinHandle};

use bytes::Bytes;
use maas_events::SourceId;
use maas_types::EventId;

use crate::{
    Confirmation, Durability, Flush, JournalError, RecordKind,
    journal::Shared,
    record::{RecordView, checksum_seed},
    segment::SegmentName,
    source::{OpenRequest, SettledRecord, Source},
    storage::SegmentFile,
    syncing::{Settlement, SyncLine},
};
use writing::{BUFFER_BYTES, start_syncing};

/// With so much that is written and not confirmed nothing more is admitted: the disk does not keep up.
const MOST_UNCONFIRMED_BYTES: usize = 16 * 1024 * 1024;

pub struct WorkerJournal {
    shared: Arc<Shared>,
    source: Arc<Source>,
    seed: u32,
    next_sequence: u64,
    segment: Option<Arc<dyn SegmentFile>>,
    /// Of the current segment, or of the next one if there is none.
    segment_number: u32,
    /// One that could not be begun, and not be removed either.
    unbegun: Option<SegmentName>,
    /// Segments that a failed sync has made worthless; what they hold is in the buffer.
    given_up: Vec<SegmentName>,
    /// Whole records that are not confirmed yet.
    buffer: Vec<u8>,
    /// How much of the buffer is in the current segment.
    written: usize,
    /// The position behind the last record.
    accepted: u64,
    /// The settlements in the buffer that are neither written nor waiting for a sync.
    pending: Vec<Settlement>,
    health: Health,
    /// With [`Durability::Host`].
    syncing: Option<(Arc<SyncLine>, Option<JoinHandle<()>>)>,
}

/// Whether the disk takes what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Good,
    Failed,
    /// Written again after a failure; good once this segment is synced.
    OnTrial {
        segment: u32,
    },
}

impl WorkerJournal {
    pub(crate) fn new(shared: Arc<Shared>, source: Arc<Source>) -> Result<Self, JournalError> {
        let syncing = match shared.options.durability {
            Durability::Process => None,
            Durability::Host => Some(start_syncing(&shared, &source)?),
        };
        Ok(Self {
            seed: checksum_seed(source.id),
            shared,
            source,
            next_sequence: 1,
            segment: None,
            segment_number: 1,
            unbegun: None,
            given_up: Vec::new(),
            buffer: Vec::with_capacity(2 * BUFFER_BYTES),
            written: 0,
            accepted: 0,
            pending: Vec::new(),
            health: Health::Good,
            syncing,
        })
    }

    pub fn source_id(&self) -> SourceId {
        self.source.id
    }

    /// False while the disk is nearly full or a write has failed: answer 503 instead of admitting. One atomic read.
    pub fn can_admit(&self) -> bool {
        self.shared.can_admit()
    }

    /// Puts a request on record. With [`Flush::Now`] its upstream may be called once this returns.
    pub fn admit(&mut self, event_id: EventId, payload: &[u8], flush: Flush) -> Result<(), JournalError> {
        if self.written > MOST_UNCONFIRMED_BYTES {
            return Err(JournalError::NotSynced);
        }
        let record = RecordView { kind: RecordKind::Admit, event_id, sequence: 0, payload };
        let length = self.append(&record)?;
        let admission = OpenRequest { segment: self.segment_number, settling: false };
        let was_open = match self.source.state().open.entry(event_id) {
            Entry::Occupied(_) => true,
            Entry::Vacant(place) => {
                place.insert(admission);
                false
            }
        };
        if was_open {
            self.withdraw_last(length);
            return Err(JournalError::AlreadyOpen { event_id });
        }
        self.flush_if(flush).inspect_err(|_| {
            self.withdraw_last(length);
            self.source.state().open.remove(&event_id);
        })
    }

    /// Notes what an open request has used so far. Lost with the process until the next flush, which is no harm.
    pub fn progress(&mut self, event_id: EventId, payload: &[u8]) -> Result<(), JournalError> {
        if self.source.state().open.get(&event_id).is_none_or(|request| request.settling) {
            return Err(JournalError::NotOpen { event_id });
        }
        let record = RecordView { kind: RecordKind::Progress, event_id, sequence: 0, payload };
        self.append(&record)?;
        self.flush_if(Flush::Later)
    }

    /// Ends a request. `encode` gets the sequence and gives the payload that is stored and shipped with it; the
    /// sequence is used up only if the record is accepted.
    pub fn settle<P: Into<Bytes>>(
        &mut self,
        event_id: EventId,
        encode: impl FnOnce(u64) -> P,
        flush: Flush,
    ) -> Result<u64, JournalError> {
        self.append_settlement(None, event_id, encode, flush)
    }

    /// Ends a request that an earlier boot left open ([`crate::RecoveredSource::interrupted`]): its own id, this
    /// source's sequence. Refused once it is settled, so trying again is safe.
    pub fn settle_interrupted<P: Into<Bytes>>(
        &mut self,
        left_open_by: SourceId,
        event_id: EventId,
        encode: impl FnOnce(u64) -> P,
        flush: Flush,
    ) -> Result<u64, JournalError> {
        let earlier = self.shared.source(left_open_by)?;
        self.append_settlement(Some(earlier), event_id, encode, flush)
    }

    /// Writes everything that waits. In the failed state it begins a new segment even with nothing to write, which
    /// shows whether the disk works again.
    pub fn flush(&mut self) -> Result<(), JournalError> {
        self.take_in_syncs();
        if self.written == self.buffer.len() && self.health != Health::Failed {
            return Ok(());
        }
        match self.write_with_ballast() {
            Ok(file) => {
                self.note_written(file);
                Ok(())
            }
            Err(error) => {
                self.set_health(Health::Failed);
                Err(JournalError::from_write(error))
            }
        }
    }

    /// With [`Durability::Host`]: what to wait for until everything is confirmed that was accepted up to now; it has to
    /// be flushed as well. `None` if nothing is left to wait for.
    pub fn confirmation(&self) -> Option<Confirmation> {
        let (line, _) = self.syncing.as_ref()?;
        Some(line.confirmation(self.accepted)).filter(|confirmation| !confirmation.is_confirmed())
    }

    /// The position behind what was accepted last. It stays the same when records are written again.
    pub fn position(&self) -> u64 {
        self.accepted
    }

    /// Whether everything before this position is confirmed.
    pub fn is_confirmed(&self, position: u64) -> bool {
        let confirmed = match &self.syncing {
            None => self.accepted - self.buffer.len() as u64,
            Some((line, _)) => line.confirmed(),
        };
        confirmed >= position
    }

    /// The work of the syncing thread, where there is none.
    #[cfg(test)]
    pub(crate) fn sync_by_hand(&mut self) {
        if let Some((line, _)) = &self.syncing {
            line.sync_once();
        }
    }

    fn append_settlement<P: Into<Bytes>>(
        &mut self,
        earlier: Option<Arc<Source>>,
        event_id: EventId,
        encode: impl FnOnce(u64) -> P,
        flush: Flush,
    ) -> Result<u64, JournalError> {
        let admitted_in = Arc::clone(earlier.as_ref().unwrap_or(&self.source));
        if admitted_in.state().open.get(&event_id).is_none_or(|request| request.settling) {
            return Err(JournalError::NotOpen { event_id });
        }
        let sequence = self.next_sequence;
        let payload: Bytes = encode(sequence).into();
        self.append(&RecordView { kind: RecordKind::Settle, event_id, sequence, payload: &payload })?;
        if let Some(request) = admitted_in.state().open.get_mut(&event_id) {
            request.settling = true;
        }
        if let Some(earlier) = &earlier {
            self.source.state().settles_for.insert(earlier.id);
        }
        self.next_sequence += 1;
        self.pending.push((SettledRecord { sequence, event_id, payload }, earlier));
        self.flush_if(flush)?;
        Ok(sequence)
    }
}

impl Drop for WorkerJournal {
    /// The last flush, after which the source is sealed and can be forgotten whole.
    fn drop(&mut self) {
        let flushed = self.flush();
        self.finish_syncing();
        // It can no longer take back that it failed; the others find out about the disk for themselves.
        self.set_health(Health::Good);
        if self.buffer.is_empty() {
            self.source.state().sealed = true;
            return;
        }
        let unwritten = self.source.state().open.values().filter(|request| request.settling).count();
        let error = flushed.err().unwrap_or(JournalError::NotSynced);
        tracing::error!(source = %self.source.id, unwritten, %error, "the last records of a worker were not written");
    }
}
