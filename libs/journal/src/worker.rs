//! The writing side of one source, used by one thread.
//!
//! Guarantees, by what fails:
//! - `admit` with [`Flush::Now`] fails: the admission is withdrawn, nothing of it will be found. Refuse the request.
//! - `settle` fails with `Full` or `Failed`: its sequence stands and the record is kept in memory, in order; the next
//!   flush that succeeds writes it. Until then a crash makes the request `interrupted`. Do not settle it again.
//! - `flush` fails: everything stays in memory as above. An admission made with [`Flush::Later`] stands and has to be
//!   settled, as refused if its upstream was not called.
//! - after any failed write the file is left as it is and the next flush begins a new segment, starting with the whole
//!   buffer, so a record can be on disk twice; readers take each sequence once.
//!
//! A worker whose write failed stops all admissions ([`WorkerJournal::can_admit`]) until one of its flushes succeeds:
//! call `flush` every second even when idle.

use std::{io, sync::Arc};

use bytes::Bytes;
use maas_events::SourceId;
use maas_types::EventId;

use crate::{
    Flush, JournalError, RecordKind,
    journal::Shared,
    record::{self, RecordView, checksum_seed},
    segment::{SegmentHeader, SegmentName},
    source::{OpenRequest, SegmentInfo, SettledRecord, Source},
    storage::SegmentFile,
};

/// A buffer of this size is written without being asked.
const BUFFER_BYTES: usize = 64 * 1024;

pub struct WorkerJournal {
    shared: Arc<Shared>,
    source: Arc<Source>,
    seed: u32,
    next_sequence: u64,
    segment: Option<Box<dyn SegmentFile>>,
    /// Of the current segment, or of the next one if there is none.
    segment_number: u32,
    /// Whole records that are not in the file yet.
    buffer: Vec<u8>,
    /// The settlements among them, with the earlier source whose request they end, if it is not this one.
    pending: Vec<(SettledRecord, Option<Arc<Source>>)>,
    failed: bool,
}

impl WorkerJournal {
    pub(crate) fn new(shared: Arc<Shared>, source: Arc<Source>) -> Self {
        Self {
            seed: checksum_seed(source.id),
            shared,
            source,
            next_sequence: 1,
            segment: None,
            segment_number: 1,
            buffer: Vec::with_capacity(2 * BUFFER_BYTES),
            pending: Vec::new(),
            failed: false,
        }
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
        let start = self.buffer.len();
        let record = RecordView { kind: RecordKind::Admit, event_id, sequence: 0, payload };
        record::encode(&mut self.buffer, self.seed, &record)?;
        let admission = OpenRequest { segment: self.segment_number, settling: false };
        {
            let mut state = self.source.state();
            if state.open.contains_key(&event_id) {
                self.buffer.truncate(start);
                return Err(JournalError::AlreadyOpen { event_id });
            }
            state.open.insert(event_id, admission);
        }
        self.flush_if(flush).inspect_err(|_| {
            // Being the last record of the buffer it is cut short in the file, if it got there at all.
            self.buffer.truncate(start);
            self.source.state().open.remove(&event_id);
        })
    }

    /// Notes what an open request has used so far. Lost with the process until the next flush, which is no harm.
    pub fn progress(&mut self, event_id: EventId, payload: &[u8]) -> Result<(), JournalError> {
        if self.source.state().open.get(&event_id).is_none_or(|request| request.settling) {
            return Err(JournalError::NotOpen { event_id });
        }
        let record = RecordView { kind: RecordKind::Progress, event_id, sequence: 0, payload };
        record::encode(&mut self.buffer, self.seed, &record)?;
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
        if self.buffer.is_empty() && !self.failed {
            return Ok(());
        }
        match self.write_buffer() {
            Ok(()) => {
                self.publish_pending();
                self.set_failed(false);
                Ok(())
            }
            Err(error) => {
                self.give_up_segment();
                self.set_failed(true);
                Err(JournalError::from_write(error))
            }
        }
    }

    fn append_settlement<P: Into<Bytes>>(
        &mut self,
        earlier: Option<Arc<Source>>,
        event_id: EventId,
        encode: impl FnOnce(u64) -> P,
        flush: Flush,
    ) -> Result<u64, JournalError> {
        let admitted_in = earlier.as_ref().unwrap_or(&self.source);
        if admitted_in.state().open.get(&event_id).is_none_or(|request| request.settling) {
            return Err(JournalError::NotOpen { event_id });
        }
        let sequence = self.next_sequence;
        let payload: Bytes = encode(sequence).into();
        let record = RecordView { kind: RecordKind::Settle, event_id, sequence, payload: &payload };
        record::encode(&mut self.buffer, self.seed, &record)?;
        if let Some(request) = admitted_in.state().open.get_mut(&event_id) {
            request.settling = true;
        }
        self.next_sequence += 1;
        self.pending.push((SettledRecord { sequence, event_id, payload }, earlier));
        self.flush_if(flush)?;
        Ok(sequence)
    }

    fn flush_if(&mut self, flush: Flush) -> Result<(), JournalError> {
        match flush {
            Flush::Now => self.flush(),
            Flush::Later if self.buffer.len() >= BUFFER_BYTES => self.flush(),
            Flush::Later => Ok(()),
        }
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        if self.segment.is_some() && self.segment_bytes() >= self.shared.options.segment_bytes {
            self.give_up_segment();
        }
        let mut segment = match self.segment.take() {
            Some(segment) => segment,
            None => self.start_segment()?,
        };
        segment.append(&self.buffer)?;
        self.add_bytes(self.buffer.len());
        self.buffer.clear();
        self.segment = Some(segment);
        Ok(())
    }

    fn start_segment(&mut self) -> io::Result<Box<dyn SegmentFile>> {
        let SourceId { boot, worker, .. } = self.source.id;
        let name = SegmentName { boot, worker, number: self.segment_number };
        let mut segment = self.shared.storage.create(&name.to_string())?;
        // Known before it is written to, so that a failure below leaves no file that nobody deletes.
        self.source.state().segments.push_back(SegmentInfo { name, bytes: 0, last_sequence: None });
        let first_sequence = self.pending.first().map_or(self.next_sequence, |(record, _)| record.sequence);
        let header = SegmentHeader { source: self.source.id, number: name.number, first_sequence }.encode();
        segment.append(&header)?;
        self.add_bytes(header.len());
        Ok(segment)
    }

    /// A full or failed segment is never written to again.
    fn give_up_segment(&mut self) {
        self.segment = None;
        self.segment_number += 1;
    }

    fn publish_pending(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let now = self.shared.options.clock.now();
        let mut earlier_requests = Vec::new();
        {
            let mut state = self.source.state();
            for (record, earlier) in self.pending.drain(..) {
                match earlier {
                    None => drop(state.open.remove(&record.event_id)),
                    Some(earlier) => earlier_requests.push((earlier, record.event_id)),
                }
                state.publish(record, now, self.shared.options.ready_records);
            }
        }
        for (earlier, event_id) in earlier_requests {
            earlier.state().open.remove(&event_id);
        }
    }

    fn segment_bytes(&self) -> u64 {
        self.source.state().segments.back().map_or(0, |segment| segment.bytes)
    }

    fn add_bytes(&self, count: usize) {
        if let Some(segment) = self.source.state().segments.back_mut() {
            segment.bytes += count as u64;
        }
    }

    fn set_failed(&mut self, failed: bool) {
        if self.failed != failed {
            self.failed = failed;
            self.shared.note_worker_failed(failed);
        }
    }
}

impl Drop for WorkerJournal {
    /// The last flush, after which the source is sealed and can be forgotten whole.
    fn drop(&mut self) {
        match self.flush() {
            Ok(()) => self.source.state().sealed = true,
            Err(error) => {
                let unwritten = self.pending.len();
                tracing::error!(source = %self.source.id, unwritten, %error, "the last records of a worker were not written");
                // It can no longer take back that it failed; the others find out about the disk for themselves.
                self.set_failed(false);
            }
        }
    }
}
