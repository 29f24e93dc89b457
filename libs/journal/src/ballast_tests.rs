//! A disk that somebody else fills, and one that takes nothing for a long time.

#![allow(clippy::unwrap_used)]

use std::{io, sync::Arc};

use maas_types::{EventId, Timestamp};
use uuid::Uuid;

use crate::{
    Durability,
    Flush::Now,
    Journal, JournalError, JournalOptions, RecoveredSource, WorkerJournal,
    journal::Syncing,
    simulated::{Fault, Operation, SimulatedStorage},
};

const PLENTY: u64 = 1 << 40;
const LOW_WATER: u64 = 10_000;
/// As often as a proxy tries again within an hour.
const AN_HOUR: usize = 3_600;

fn disk() -> SimulatedStorage {
    SimulatedStorage::with_free_bytes(PLENTY)
}

fn open_journal(
    disk: &SimulatedStorage,
    durability: Durability,
    low_water_bytes: u64,
) -> (Journal, Vec<RecoveredSource>) {
    let options = JournalOptions { durability, low_water_bytes, ..JournalOptions::default() };
    let storage = Arc::new(disk.clone());
    let (journal, recovery) = Journal::with_storage(storage, Uuid::from_u128(1), options, Syncing::ByHand).unwrap();
    let recovered = recovery.scan().unwrap();
    (journal, recovered)
}

fn id(number: i64) -> EventId {
    EventId::new_at(Timestamp::from_unix_ms(1_700_000_000_000 + number))
}

/// kill -9.
fn kill(disk: &SimulatedStorage, worker: WorkerJournal) {
    disk.fail_next_append(Fault { written: 0, kind: io::ErrorKind::Other, fatal: true });
    drop(worker);
    disk.restart();
}

#[test]
fn what_is_open_when_the_disk_is_filled_is_settled_where_the_ballast_was() {
    for left in [0, 1, 30, 100] {
        let disk = disk();
        let (journal, _) = open_journal(&disk, Durability::Process, LOW_WATER);
        assert_eq!(disk.ballast(), LOW_WATER);
        let mut worker = journal.worker(0).unwrap();
        let open: Vec<_> = (1..=20).map(id).collect();
        open.iter().for_each(|event_id| worker.admit(*event_id, b"admission", Now).unwrap());
        disk.fill(left);
        for event_id in open {
            worker.settle(event_id, |_| "usage", Now).unwrap();
            assert!(worker.is_confirmed(worker.position()));
        }
        let source = worker.source_id();
        kill(&disk, worker);
        let (journal, recovered) = open_journal(&disk, Durability::Process, LOW_WATER);
        assert_eq!(recovered[0].interrupted, []);
        assert_eq!(journal.settled_range(source, 1, 100, 100).unwrap().len(), 20);
    }
}

#[test]
fn nothing_is_admitted_from_when_the_ballast_is_given_back_until_it_is_whole() {
    let disk = disk();
    let (journal, _) = open_journal(&disk, Durability::Process, LOW_WATER);
    let mut worker = journal.worker(0).unwrap();
    let event_id = id(1);
    worker.admit(event_id, b"", Now).unwrap();
    disk.fill(0);
    worker.settle(event_id, |_| "", Now).unwrap();
    assert!(disk.ballast() == 0 && !journal.can_admit());
    // The low-water mark alone does not do: the ballast has to fit beside it.
    for free in [LOW_WATER, 2 * LOW_WATER - 1] {
        disk.set_free_bytes(free);
        journal.refresh_free_space();
        assert!(disk.ballast() == 0 && !journal.can_admit());
    }
    disk.set_free_bytes(2 * LOW_WATER);
    disk.fail_next(Operation::MakeBallast);
    journal.refresh_free_space();
    assert!(!journal.can_admit());
    journal.refresh_free_space();
    assert!(disk.ballast() == LOW_WATER && journal.can_admit());
}

#[test]
fn a_ballast_that_somebody_deletes_stops_admission_until_it_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let options = JournalOptions { low_water_bytes: 1024 * 1024, ..JournalOptions::default() };
    let (journal, _) = Journal::open(folder.path(), options).unwrap();
    let path = folder.path().join("ballast");
    assert!(journal.can_admit() && path.metadata().unwrap().len() == 1024 * 1024);
    std::fs::remove_file(&path).unwrap();
    journal.refresh_free_space();
    assert!(journal.can_admit() && path.exists());
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    journal.refresh_free_space();
    assert!(!journal.can_admit(), "it cannot be made");
}

#[test]
fn the_next_process_takes_the_ballast_over_on_a_full_disk() {
    let disk = disk();
    drop(open_journal(&disk, Durability::Process, LOW_WATER));
    disk.fill(0);
    let (journal, _) = open_journal(&disk, Durability::Process, LOW_WATER);
    assert!(disk.ballast() == LOW_WATER && !journal.can_admit());
    let mut worker = journal.worker(0).unwrap();
    let event_id = id(1);
    worker.admit(event_id, b"", Now).unwrap();
    assert_eq!(disk.ballast(), 0);
}

#[test]
fn without_room_and_ballast_a_settlement_is_not_confirmed_before_it_is_written() {
    for durability in [Durability::Process, Durability::Host] {
        let disk = disk();
        // Somebody else is as good as sure to take what is given back.
        let (journal, _) = open_journal(&disk, durability, 10);
        let mut worker = journal.worker(0).unwrap();
        let event_id = id(1);
        worker.admit(event_id, b"", Now).unwrap();
        worker.sync_by_hand();
        disk.fill(0);
        assert!(matches!(worker.settle(event_id, |_| "usage", Now), Err(JournalError::Full { .. })));
        let settled_at = worker.position();
        worker.sync_by_hand();
        assert!(!worker.is_confirmed(settled_at));
        disk.set_free_bytes(PLENTY);
        worker.flush().unwrap();
        worker.sync_by_hand();
        assert!(worker.is_confirmed(settled_at));
        let source = worker.source_id();
        kill(&disk, worker);
        let (journal, _) = open_journal(&disk, durability, 10);
        assert_eq!(journal.take_settled(source, 10).unwrap().len(), 1);
    }
}

#[test]
fn a_disk_that_takes_nothing_for_an_hour_is_not_littered() {
    for refuses_files in [false, true] {
        let disk = disk();
        let (journal, _) = open_journal(&disk, Durability::Process, 10);
        let mut worker = journal.worker(0).unwrap();
        let event_id = id(1);
        worker.admit(event_id, b"", Now).unwrap();
        disk.fill(70);
        disk.refuse_new_files(refuses_files);
        assert!(worker.settle(event_id, |_| vec![7; 100], Now).is_err());
        for attempt in 0..AN_HOUR {
            // Now and then not even a removal works.
            if attempt % 7 == 0 {
                disk.fail_next(Operation::Remove);
            }
            assert!(worker.flush().is_err());
            assert!(disk.files().len() <= 2, "{:?}", disk.files());
        }
        disk.refuse_new_files(false);
        disk.set_free_bytes(PLENTY);
        worker.flush().unwrap();
        assert_eq!(disk.files().len(), 2);
        assert_eq!(journal.take_settled(worker.source_id(), 10).unwrap().len(), 1);
    }
}

#[test]
fn a_disk_that_syncs_nothing_for_an_hour_is_not_littered() {
    let disk = disk();
    let (journal, _) = open_journal(&disk, Durability::Host, LOW_WATER);
    let mut worker = journal.worker(0).unwrap();
    let event_id = id(1);
    worker.admit(event_id, b"", Now).unwrap();
    worker.sync_by_hand();
    worker.settle(event_id, |_| "usage", Now).unwrap();
    for _ in 0..AN_HOUR {
        disk.fail_next(Operation::Sync);
        worker.sync_by_hand();
        worker.flush().unwrap();
        assert!(disk.files().len() <= 3, "{:?}", disk.files());
    }
    worker.sync_by_hand();
    assert_eq!(journal.take_settled(worker.source_id(), 10).unwrap().len(), 1);
    let source = worker.source_id();
    kill(&disk, worker);
    disk.forget_unsynced(|_| (0, false));
    let (journal, recovered) = open_journal(&disk, Durability::Host, LOW_WATER);
    assert!(recovered[0].interrupted.is_empty());
    assert_eq!(journal.take_settled(source, 10).unwrap().len(), 1);
}
