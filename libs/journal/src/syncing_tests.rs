//! Durability `host`: what is confirmed when, and what a failed sync leaves.

#![allow(clippy::unwrap_used)]

use std::{
    future::Future as _,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use maas_events::SourceId;
use maas_types::{EventId, Timestamp};
use uuid::Uuid;

use crate::{
    Confirmation, Durability,
    Flush::{Later, Now},
    Journal, JournalError, JournalOptions, WorkerJournal,
    journal::Syncing,
    simulated::{Operation, SimulatedStorage},
};

fn options() -> JournalOptions {
    JournalOptions { durability: Durability::Host, segment_bytes: 400, ..JournalOptions::default() }
}

fn open(disk: &SimulatedStorage) -> Journal {
    Journal::with_storage(Arc::new(disk.clone()), Uuid::from_u128(1), options(), Syncing::ByHand).unwrap().0
}

fn id(number: i64) -> EventId {
    EventId::new_at(Timestamp::from_unix_ms(1_700_000_000_000 + number))
}

fn record_request(worker: &mut WorkerJournal, number: i64) {
    let event_id = id(number);
    worker.admit(event_id, &[7; 60], Now).unwrap();
    worker.settle(event_id, |_| "usage", Now).unwrap();
}

fn poll(confirmation: Confirmation) -> Poll<Result<(), JournalError>> {
    pin!(confirmation).poll(&mut Context::from_waker(Waker::noop()))
}

fn taken(journal: &Journal, source: SourceId) -> Vec<u64> {
    let mut taken = Vec::new();
    loop {
        let records = journal.take_settled(source, 100).unwrap();
        if records.is_empty() {
            return taken;
        }
        taken.extend(records.iter().map(|record| record.sequence));
    }
}

#[test]
fn what_is_written_is_neither_confirmed_nor_shipped_before_its_sync() {
    let disk = SimulatedStorage::with_free_bytes(1 << 40);
    let journal = open(&disk);
    let mut worker = journal.worker(0).unwrap();
    assert!(worker.confirmation().is_none(), "nothing to wait for");
    record_request(&mut worker, 1);
    assert!(poll(worker.confirmation().unwrap()).is_pending());
    assert_eq!(journal.status(worker.source_id()).unwrap().open_requests, 1, "it is open until it is confirmed");
    assert!(taken(&journal, worker.source_id()).is_empty());
    worker.sync_by_hand();
    assert!(worker.confirmation().is_none());
    assert_eq!(taken(&journal, worker.source_id()), [1]);
}

#[test]
fn a_sync_confirms_all_that_waits_and_nothing_that_came_later() {
    let disk = SimulatedStorage::with_free_bytes(1 << 40);
    let journal = open(&disk);
    let mut worker = journal.worker(0).unwrap();
    let mut earlier = Vec::new();
    for number in 0..3 {
        worker.admit(id(number), b"", Now).unwrap();
        earlier.push(worker.confirmation().unwrap());
    }
    worker.sync_by_hand();
    worker.admit(id(3), b"", Now).unwrap();
    assert!(earlier.into_iter().all(|confirmation| matches!(poll(confirmation), Poll::Ready(Ok(())))));
    assert!(poll(worker.confirmation().unwrap()).is_pending());
}

#[test]
fn a_failed_sync_stops_admission_and_everything_is_written_again_elsewhere() {
    let disk = SimulatedStorage::with_free_bytes(1 << 40);
    let journal = open(&disk);
    let mut worker = journal.worker(0).unwrap();
    record_request(&mut worker, 1);
    let waiting = worker.confirmation().unwrap();
    disk.fail_next(Operation::Sync);
    let given_up = disk.files();
    worker.sync_by_hand();
    assert!(matches!(poll(waiting), Poll::Ready(Err(JournalError::NotSynced))));
    assert!(!journal.can_admit());
    worker.flush().unwrap();
    assert!(disk.files().len() == 1 && disk.files() != given_up, "nothing of it was confirmed");
    assert!(!journal.can_admit(), "a write alone shows nothing");
    worker.sync_by_hand();
    worker.flush().unwrap();
    assert!(journal.can_admit());
    assert_eq!(taken(&journal, worker.source_id()), [1]);
}

#[test]
fn a_full_segment_leaves_no_gap_if_the_machine_ends_before_it_is_synced() {
    let disk = SimulatedStorage::with_free_bytes(1 << 40);
    let journal = open(&disk);
    let mut worker = journal.worker(0).unwrap();
    (0..6).for_each(|number| record_request(&mut worker, number));
    assert!(disk.files().len() > 1);
    // Only what was written last reaches the disk.
    let old = worker.source_id();
    let (last, mut seen) = (disk.files().len(), 0);
    std::mem::forget(worker);
    disk.forget_unsynced(|unsynced| {
        seen += 1;
        (if seen == last { unsynced } else { 0 }, false)
    });
    let (journal, recovery) =
        Journal::with_storage(Arc::new(disk), Uuid::from_u128(1), options(), Syncing::ByHand).unwrap();
    let recovered = recovery.scan().unwrap();
    assert!(recovered[0].missing.is_empty());
    assert_eq!(taken(&journal, old), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_disk_that_does_not_keep_up_stops_admission() {
    let disk = SimulatedStorage::with_free_bytes(1 << 40);
    let journal = open(&disk);
    let mut worker = journal.worker(0).unwrap();
    let mut number = 0;
    let refused = loop {
        number += 1;
        match worker.admit(id(number), &[0; 4_000], Later) {
            Ok(()) => assert!(number < 5_000),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, JournalError::NotSynced));
}

#[test]
fn the_thread_confirms_without_being_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(folder.path(), options()).unwrap();
    let mut worker = journal.worker(0).unwrap();
    let began = Instant::now();
    (0..20).for_each(|number| record_request(&mut worker, number));
    while worker.confirmation().is_some() {
        assert!(began.elapsed() < Duration::from_secs(30));
        std::thread::yield_now();
    }
    assert_eq!(taken(&journal, worker.source_id()), (1..=20).collect::<Vec<_>>());
    record_request(&mut worker, 20);
    let source = worker.source_id();
    drop(worker);
    assert!(journal.status(source).unwrap().sealed, "the end waits for the last sync");
    assert_eq!(taken(&journal, source), [21]);
}
