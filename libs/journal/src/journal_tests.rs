//! One story per promise, most of them on the simulated disk.

#![allow(clippy::unwrap_used)]

use std::{io, sync::Arc, time::Duration};

use maas_types::{EventId, FixedClock, Timestamp};
use uuid::Uuid;

use crate::{
    Flush::{Later, Now},
    Journal, JournalError, JournalOptions, MAX_RECORD_LENGTH, RecoveredSource, WorkerJournal,
    journal::Syncing,
    simulated::{Fault, SimulatedStorage},
};

const INSTANCE: Uuid = Uuid::from_u128(0xA);
const PLENTY: u64 = 1 << 40;

fn disk() -> SimulatedStorage {
    SimulatedStorage::with_free_bytes(PLENTY)
}

fn options() -> JournalOptions {
    let retention = Duration::ZERO;
    JournalOptions { segment_bytes: 400, ready_records: 4, retention, ..JournalOptions::default() }
}

fn open(disk: &SimulatedStorage) -> (Journal, Vec<RecoveredSource>) {
    let (journal, recovery) =
        Journal::with_storage(Arc::new(disk.clone()), INSTANCE, options(), Syncing::ByHand).unwrap();
    let recovered = recovery.scan().unwrap();
    (journal, recovered)
}

fn id(number: i64) -> EventId {
    EventId::new_at(Timestamp::from_unix_ms(1_700_000_000_000 + number))
}

/// Admits and settles one request at once; its payload is its sequence in decimal.
fn record_request(worker: &mut WorkerJournal) -> u64 {
    let event_id = id(1);
    worker.admit(event_id, b"admission", Now).unwrap();
    worker.settle(event_id, |sequence| sequence.to_string().into_bytes(), Now).unwrap()
}

fn record_requests(worker: &mut WorkerJournal, count: usize) {
    for _ in 0..count {
        record_request(worker);
    }
}

/// Ends the process without its last flush.
fn crash(disk: &SimulatedStorage, worker: WorkerJournal) {
    disk.fail_next_append(Fault { written: 0, kind: io::ErrorKind::Other, fatal: true });
    drop(worker);
    disk.restart();
}

/// The watermark, and what may go under it.
fn commit(journal: &Journal, source: maas_events::SourceId, committed_through: u64) {
    journal.note_committed(source, committed_through).unwrap();
    journal.tidy().unwrap();
}

/// The same for a source that has said its last word.
fn commit_and_close(journal: &Journal, source: maas_events::SourceId, committed_through: u64) {
    journal.note_closed(source).unwrap();
    commit(journal, source, committed_through);
}

fn sequences(journal: &Journal, source: maas_events::SourceId, max: usize) -> Vec<u64> {
    journal.take_settled(source, max).unwrap().iter().map(|record| record.sequence).collect()
}

#[test]
fn a_record_is_shipped_only_once_it_is_in_the_file() {
    let (journal, _) = open(&disk());
    let mut worker = journal.worker(0).unwrap();
    let event_id = id(1);
    worker.admit(event_id, b"", Now).unwrap();
    worker.settle(event_id, |_| "", Later).unwrap();
    assert_eq!(journal.take_settled(worker.source_id(), 10).unwrap(), []);
    assert_eq!(journal.status(worker.source_id()).unwrap().open_requests, 1);
    worker.flush().unwrap();
    assert_eq!(sequences(&journal, worker.source_id(), 10), [1]);
    assert_eq!(journal.status(worker.source_id()).unwrap().open_requests, 0);
}

#[test]
fn records_beyond_the_memory_bound_are_read_back_in_order() {
    let (journal, _) = open(&disk());
    let mut worker = journal.worker(0).unwrap();
    let mut taken = Vec::new();
    for round in 0..40 {
        record_request(&mut worker);
        if round % 11 == 10 {
            taken.extend(sequences(&journal, worker.source_id(), 7));
        }
    }
    while taken.len() < 40 {
        taken.extend(sequences(&journal, worker.source_id(), 7));
    }
    assert_eq!(taken, (1..=40).collect::<Vec<_>>());
    let resent = journal.settled_range(worker.source_id(), 13, 17, 100).unwrap();
    assert_eq!(resent.iter().map(|r| r.payload.as_ref()).collect::<Vec<_>>(), [b"13", b"14", b"15", b"16", b"17"]);
}

#[test]
fn segments_go_under_the_watermark_and_not_before() {
    let disk = disk();
    let (journal, _) = open(&disk);
    let mut worker = journal.worker(0).unwrap();
    record_requests(&mut worker, 30);
    let before = disk.files().len();
    assert!(before > 3);
    commit(&journal, worker.source_id(), 0);
    assert_eq!(disk.files().len(), before);
    commit(&journal, worker.source_id(), 15);
    assert!(disk.files().len() < before && disk.files().len() > 1);
    assert_eq!(journal.settled_range(worker.source_id(), 16, 30, 100).unwrap().len(), 15);
    assert_eq!(journal.settled_range(worker.source_id(), 1, 5, 100).unwrap(), []);
    let retained = journal.settled_range(worker.source_id(), 1, 30, 2).unwrap();
    assert!(retained.len() == 2 && retained[0].sequence > 5, "what is forgotten is passed over");
    assert_eq!(journal.stats().events, 15);
    commit(&journal, worker.source_id(), 30);
    assert_eq!(disk.files().len(), 1, "the segment that is written to stays");

    let source = worker.source_id();
    drop(worker);
    commit_and_close(&journal, source, 30);
    assert!(disk.files().is_empty() && journal.sources().is_empty());
}

#[test]
fn an_open_admission_keeps_its_segment_and_all_later_ones() {
    let disk = disk();
    let (journal, _) = open(&disk);
    let mut worker = journal.worker(0).unwrap();
    let long_stream = id(0);
    worker.admit(long_stream, b"", Now).unwrap();
    record_requests(&mut worker, 30);
    let before = disk.files().len();
    commit(&journal, worker.source_id(), 30);
    assert_eq!(disk.files().len(), before);
    worker.settle(long_stream, |_| "", Now).unwrap();
    commit(&journal, worker.source_id(), 31);
    assert_eq!(disk.files().len(), 1);
}

#[test]
fn an_interrupted_request_is_reported_until_it_is_settled_anywhere() {
    let disk = disk();
    let (journal, _) = open(&disk);
    let mut worker = journal.worker(0).unwrap();
    let event_id = id(5);
    record_request(&mut worker);
    worker.admit(event_id, b"admission", Now).unwrap();
    worker.progress(event_id, b"half").unwrap();
    worker.flush().unwrap();
    worker.admit(id(6), b"never confirmed", Later).unwrap();
    let old = worker.source_id();
    crash(&disk, worker);

    let (journal, recovered) = open(&disk);
    assert_eq!(recovered.len(), 1);
    assert_eq!((recovered[0].source, recovered[0].last_sequence), (old, 1));
    let interrupted = &recovered[0].interrupted;
    assert_eq!(interrupted.len(), 1);
    assert_eq!((interrupted[0].event_id, interrupted[0].admission.as_ref()), (event_id, b"admission".as_ref()));
    assert_eq!(interrupted[0].progress.as_deref(), Some(b"half".as_ref()));
    // Settled by the new boot, which ends before the old segment is deleted.
    let mut worker = journal.worker(0).unwrap();
    worker.settle_interrupted(old, event_id, |_| "interrupted", Now).unwrap();
    assert!(matches!(worker.settle_interrupted(old, event_id, |_| "again", Now), Err(JournalError::NotOpen { .. })));
    crash(&disk, worker);

    let (journal, recovered) = open(&disk);
    assert!(recovered.iter().all(|source| source.interrupted.is_empty()));
    assert_eq!(sequences(&journal, old, 10), [1]);
    commit_and_close(&journal, old, 1);
    assert!(!journal.sources().contains(&old));
}

#[test]
fn damage_in_the_middle_is_quarantined_and_the_rest_is_used() {
    let disk = disk();
    let (journal, _) = open(&disk);
    let mut worker = journal.worker(0).unwrap();
    record_requests(&mut worker, 3);
    let old = worker.source_id();
    crash(&disk, worker);
    let name = disk.files()[0].clone();
    disk.change(&name, |bytes| {
        // Its sequence, and behind it its payload.
        let settled = [2, 0, 0, 0, 0, 0, 0, 0, b'2'];
        let at = bytes.windows(settled.len()).position(|window| window == settled).unwrap();
        bytes[at + settled.len() - 1] = b'9';
    });

    let (journal, recovered) = open(&disk);
    assert_eq!(disk.quarantined(), [name]);
    assert_eq!((recovered[0].damaged_segments, recovered[0].missing.as_slice()), (1, [2..=2].as_slice()));
    assert_eq!(recovered[0].interrupted.len(), 1, "its admission is intact");
    assert_eq!(sequences(&journal, old, 10), [1, 3]);
}

#[test]
fn a_full_disk_withdraws_admissions_and_keeps_settlements() {
    for written in [0, 1, 30, 60, usize::MAX] {
        let disk = disk();
        let (journal, _) = open(&disk);
        let mut worker = journal.worker(0).unwrap();
        let event_id = id(1);
        worker.admit(event_id, b"", Now).unwrap();
        disk.fail_next_append(Fault { written, kind: io::ErrorKind::StorageFull, fatal: false });
        disk.refuse_new_files(true);
        assert!(matches!(worker.settle(event_id, |_| "usage", Now), Err(JournalError::Full { .. })));
        assert!(!journal.can_admit());
        assert!(matches!(worker.admit(id(2), b"", Now), Err(JournalError::Full { .. })));
        assert!(matches!(worker.settle(event_id, |_| "twice", Now), Err(JournalError::NotOpen { .. })));

        disk.refuse_new_files(false);
        worker.flush().unwrap();
        journal.refresh_free_space();
        assert!(journal.can_admit());
        assert_eq!(sequences(&journal, worker.source_id(), 10), [1]);
        crash(&disk, worker);
        let (_, recovered) = open(&disk);
        assert!(recovered[0].interrupted.is_empty() && recovered[0].missing.is_empty());
        assert_eq!(recovered[0].damaged_segments, 0);
    }
}

#[test]
fn a_worker_that_ends_without_its_last_write_stops_nobody_else() {
    let disk = disk();
    let (journal, _) = open(&disk);
    let mut ending = journal.worker(0).unwrap();
    let mut other = journal.worker(1).unwrap();
    disk.refuse_new_files(true);
    assert!(matches!(ending.admit(id(1), b"", Now), Err(JournalError::Full { .. })));
    assert!(!other.can_admit());
    drop(ending);
    journal.refresh_free_space();
    assert!(other.can_admit(), "nobody is left who could take it back");
    assert!(matches!(other.admit(id(2), b"", Now), Err(JournalError::Full { .. })));
    assert!(!other.can_admit(), "each worker speaks for itself");
    disk.refuse_new_files(false);
    other.flush().unwrap();
    journal.refresh_free_space();
    assert!(journal.can_admit());
}

#[test]
fn a_crash_while_a_failed_write_is_repeated_makes_no_second_outcome() {
    let disk = disk();
    let (journal, _) = open(&disk);
    let mut worker = journal.worker(0).unwrap();
    record_request(&mut worker);
    let (first, second) = (id(2), id(3));
    worker.admit(first, b"admission", Later).unwrap();
    worker.settle(first, |_| "usage", Later).unwrap();
    worker.admit(second, b"admission", Later).unwrap();
    // All but the end of the buffer reaches the file; the copy in the next segment gets as far as the admissions.
    disk.fail_next_append(Fault { written: usize::MAX, kind: io::ErrorKind::Other, fatal: false });
    assert!(worker.flush().is_err());
    let old = worker.source_id();
    drop(worker);
    let copy = disk.files().last().unwrap().clone();
    let admission = 8 + 1 + 16 + b"admission".len();
    disk.change(&copy, |bytes| bytes.truncate(crate::segment::HEADER_LENGTH + admission));

    let (journal, recovered) = open(&disk);
    assert_eq!(sequences(&journal, old, 10), [1, 2]);
    let interrupted: Vec<_> = recovered[0].interrupted.iter().map(|request| request.event_id).collect();
    assert_eq!(interrupted, [], "the first is settled, the second was never confirmed");
}

#[test]
fn admission_stops_at_the_low_water_mark_and_resumes() {
    let disk = disk();
    let (journal, _) = open(&disk);
    let low_water = options().low_water_bytes;
    disk.set_free_bytes(low_water);
    journal.refresh_free_space();
    assert!(journal.can_admit());
    let mut worker = journal.worker(0).unwrap();
    worker.admit(id(1), b"", Now).unwrap();
    journal.refresh_free_space();
    assert!(!journal.can_admit(), "the settlement of the open request has to fit too");
    disk.set_free_bytes(low_water + MAX_RECORD_LENGTH as u64);
    journal.refresh_free_space();
    assert!(worker.can_admit());
}

#[test]
fn too_large_a_settlement_uses_up_no_sequence() {
    let (journal, _) = open(&disk());
    let mut worker = journal.worker(0).unwrap();
    let event_id = id(1);
    worker.admit(event_id, b"", Now).unwrap();
    let refused = worker.settle(event_id, |_| vec![0; MAX_RECORD_LENGTH], Now);
    assert!(matches!(refused, Err(JournalError::RecordTooLarge { .. })));
    assert!(matches!(worker.settle(event_id, |_| "smaller", Now), Ok(1)));
}

#[test]
fn gauges_tell_the_oldest_uncommitted_settlement_and_the_oldest_open_admission() {
    let clock = Arc::new(FixedClock::at(Timestamp::from_unix_ms(1_000)));
    let options = JournalOptions { clock: Arc::clone(&clock) as _, ..options() };
    let (journal, _) = Journal::with_storage(Arc::new(disk()), INSTANCE, options, Syncing::ByHand).unwrap();
    let mut worker = journal.worker(3).unwrap();
    record_request(&mut worker);
    clock.advance(Duration::from_secs(1));
    record_request(&mut worker);
    assert_eq!((journal.stats().events, journal.stats().oldest_unix_ms), (2, Some(1_000)));
    commit(&journal, worker.source_id(), 1);
    assert_eq!((journal.stats().events, journal.stats().oldest_unix_ms), (1, Some(2_000)));
    commit(&journal, worker.source_id(), 2);
    assert_eq!((journal.stats().events, journal.stats().oldest_unix_ms), (0, None));
    assert!(journal.stats().bytes > 0);

    let (early, late) = (id(10), id(20));
    worker.admit(late, b"", Now).unwrap();
    worker.admit(early, b"", Now).unwrap();
    let status = journal.status(worker.source_id()).unwrap();
    assert_eq!((status.last_sequence, status.open_requests), (2, 2));
    assert_eq!(status.oldest_open_admission, Some(early.created_at()));
    assert!(matches!(journal.worker(3), Err(JournalError::WorkerTaken { worker: 3 })));
}

#[test]
fn a_second_process_is_refused_and_the_instance_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let (journal, _) = Journal::open(&path, JournalOptions::default()).unwrap();
    assert!(matches!(Journal::open(&path, JournalOptions::default()), Err(JournalError::Locked { .. })));
    let (instance, boot) = (journal.instance(), journal.boot());
    drop(journal);
    let (journal, _) = Journal::open(&path, JournalOptions::default()).unwrap();
    assert_eq!(journal.instance(), instance);
    assert_ne!(journal.boot(), boot);
}

#[test]
fn files_survive_a_restart_with_a_torn_tail_and_damage() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(folder.path(), options()).unwrap();
    let mut worker = journal.worker(0).unwrap();
    record_requests(&mut worker, 12);
    let source = worker.source_id();
    drop((worker, journal));
    let mut names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    names.sort();
    let last = std::fs::OpenOptions::new().write(true).open(names.last().unwrap()).unwrap();
    last.set_len(last.metadata().unwrap().len() - 1).unwrap();
    let mut first = std::fs::read(&names[0]).unwrap();
    first[70] ^= 1;
    std::fs::write(&names[0], first).unwrap();

    let (journal, recovery) = Journal::open(folder.path(), options()).unwrap();
    assert_eq!(recovery.segment_count(), names.len());
    let recovered = recovery.scan().unwrap();
    assert_eq!((recovered[0].torn_tails, recovered[0].damaged_segments), (1, 1));
    assert_eq!(journal.settled_range(source, 1, 100, 100).unwrap().len(), 11);
    assert_eq!(std::fs::read_dir(folder.path().join("quarantine")).unwrap().count(), 1);
    let mut worker = journal.worker(0).unwrap();
    for request in &recovered[0].interrupted {
        worker.settle_interrupted(source, request.event_id, |_| "interrupted", Now).unwrap();
    }
    commit_and_close(&journal, source, 11);
    assert_eq!(journal.sources(), [worker.source_id()]);
    assert!(names.iter().all(|path| !path.exists()));
}
