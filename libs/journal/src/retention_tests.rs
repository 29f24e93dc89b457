//! What is kept of what is committed, and what the next start makes of it.

#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use maas_events::SourceId;
use maas_types::{EventId, FixedClock, Timestamp};
use uuid::Uuid;

use crate::{
    Flush::Now,
    Journal, JournalOptions, Recovery, WorkerJournal, inspect,
    journal::Syncing,
    simulated::{Operation, SimulatedStorage},
};

const HOUR: Duration = Duration::from_secs(3_600);

struct World {
    disk: SimulatedStorage,
    clock: Arc<FixedClock>,
    options: JournalOptions,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(FixedClock::at(Timestamp::from_unix_ms(1_700_000_000_000)));
        let options =
            JournalOptions { segment_bytes: 400, retention: HOUR, clock: clock.clone(), ..JournalOptions::default() };
        Self { disk: SimulatedStorage::with_free_bytes(1 << 40), clock, options }
    }

    fn open(&self) -> (Journal, Recovery) {
        let storage = Arc::new(self.disk.clone());
        Journal::with_storage(storage, Uuid::from_u128(1), self.options.clone(), Syncing::ByHand).unwrap()
    }
}

fn record_requests(worker: &mut WorkerJournal, count: usize) {
    for _ in 0..count {
        let event_id = EventId::new_at(Timestamp::from_unix_ms(1_700_000_000_001));
        worker.admit(event_id, b"admission", Now).unwrap();
        worker.settle(event_id, |sequence| sequence.to_string().into_bytes(), Now).unwrap();
    }
}

fn shipped(journal: &Journal, source: SourceId) -> Vec<u64> {
    let mut shipped = Vec::new();
    loop {
        let records = journal.take_settled(source, 100).unwrap();
        if records.is_empty() {
            return shipped;
        }
        shipped.extend(records.iter().map(|record| record.sequence));
    }
}

fn ship_and_commit(journal: &Journal, source: SourceId) -> usize {
    let shipped = shipped(journal, source);
    let last = journal.status(source).unwrap().last_sequence;
    journal.note_committed(source, last).unwrap();
    journal.tidy().unwrap();
    shipped.len()
}

#[test]
fn committed_segments_are_kept_until_their_time_has_come() {
    let world = World::new();
    let (journal, _) = world.open();
    let mut worker = journal.worker(0).unwrap();
    record_requests(&mut worker, 30);
    let source = worker.source_id();
    let files = world.disk.files().len();
    assert_eq!(ship_and_commit(&journal, source), 30);
    assert_eq!(world.disk.files().len(), files);
    // The ledger was restored from a copy that has the first ten.
    journal.note_committed(source, 10).unwrap();
    assert_eq!(journal.stats().events, 20);
    assert_eq!(journal.settled_range(source, 11, 30, 100).unwrap().len(), 20);

    ship_and_commit(&journal, source);
    world.clock.advance(HOUR);
    journal.tidy().unwrap();
    assert_eq!(world.disk.files().len(), 1, "the one that is written to stays");
}

#[test]
fn beyond_the_limit_and_on_a_full_disk_the_oldest_go_before_their_time() {
    let mut world = World::new();
    world.options.retained_bytes = 1_000;
    let (journal, _) = world.open();
    let mut worker = journal.worker(0).unwrap();
    record_requests(&mut worker, 30);
    ship_and_commit(&journal, worker.source_id());
    assert!((1_000..2_000).contains(&journal.stats().bytes), "{}", journal.stats().bytes);
    let kept = journal.settled_range(worker.source_id(), 1, 30, 100).unwrap();
    assert_eq!(kept.last().map(|record| record.sequence), Some(30));

    world.disk.set_free_bytes(world.options.low_water_bytes - 1);
    journal.tidy().unwrap();
    let left = journal.settled_range(worker.source_id(), 1, 30, 100).unwrap();
    assert!(!left.is_empty() && left.len() < kept.len(), "one is enough");
}

#[test]
fn the_watermark_is_on_disk_before_anything_goes_under_it() {
    let world = World::new();
    let (journal, _) = world.open();
    let mut worker = journal.worker(0).unwrap();
    record_requests(&mut worker, 30);
    ship_and_commit(&journal, worker.source_id());
    world.clock.advance(HOUR);
    let files = world.disk.files().len();
    world.disk.fail_next(Operation::WriteWatermarks);
    assert!(journal.tidy().is_err());
    assert_eq!(world.disk.files().len(), files);
    journal.tidy().unwrap();
    assert_eq!(world.disk.files().len(), 1);
}

#[test]
fn what_was_committed_is_not_shipped_again_by_the_next_start() {
    let world = World::new();
    let (journal, _) = world.open();
    let mut worker = journal.worker(0).unwrap();
    record_requests(&mut worker, 30);
    let source = worker.source_id();
    ship_and_commit(&journal, source);
    record_requests(&mut worker, 2);
    drop((worker, journal));

    let (journal, recovery) = world.open();
    recovery.scan().unwrap();
    assert_eq!(shipped(&journal, source), [31, 32]);
    // It is there, should it be wanted.
    assert_eq!(journal.settled_range(source, 1, 100, 100).unwrap().len(), 32);
    drop(journal);

    world.disk.lose_watermarks();
    let (journal, recovery) = world.open();
    recovery.scan().unwrap();
    assert_eq!(shipped(&journal, source).len(), 32, "nobody knows better");
}

#[test]
fn a_start_does_not_read_what_nobody_needs() {
    let world = World::new();
    let (journal, _) = world.open();
    let mut worker = journal.worker(0).unwrap();
    record_requests(&mut worker, 30);
    let source = worker.source_id();
    drop(worker);
    journal.note_closed(source).unwrap();
    ship_and_commit(&journal, source);
    drop(journal);
    // Damage behind the headers would be seen by whoever reads it.
    let names = world.disk.files();
    names.iter().for_each(|name| world.disk.change(name, |bytes| bytes[100] ^= 1));
    let (journal, recovery) = world.open();
    assert_eq!(recovery.scan().unwrap(), []);
    assert!(world.disk.quarantined().is_empty());
    let status = journal.status(source).unwrap();
    assert!((status.last_sequence, status.committed_through, status.closed) == (30, 30, true));
    world.clock.advance(HOUR);
    journal.tidy().unwrap();
    assert!(world.disk.files().is_empty() && journal.sources().is_empty());
}

#[test]
fn nothing_is_tidied_before_the_last_boot_is_known() {
    let world = World::new();
    let (journal, _) = world.open();
    let mut worker = journal.worker(0).unwrap();
    record_requests(&mut worker, 30);
    let source = worker.source_id();
    ship_and_commit(&journal, source);
    drop((worker, journal));
    let (journal, recovery) = world.open();
    journal.tidy().unwrap();
    recovery.scan().unwrap();
    assert_eq!(journal.status(source).unwrap().committed_through, 30);
}

#[test]
fn a_newer_boot_of_the_instance_ends_admission() {
    let world = World::new();
    let (journal, _) = world.open();
    world.clock.advance(Duration::from_millis(5));
    let (twin, _) = world.open();
    let (older, newer) = (journal.worker(0).unwrap().source_id(), twin.worker(0).unwrap().source_id());
    assert!(journal.is_newer_boot(newer) && !twin.is_newer_boot(older) && !journal.is_newer_boot(older));
    assert!(!journal.is_newer_boot(SourceId { instance: Uuid::from_u128(2), ..newer }), "of another instance");
    assert!(!journal.is_newer_boot(SourceId { boot: Uuid::from_u128(u128::MAX), ..newer }), "its time is not known");
    assert!(journal.stop_admitting() && !journal.stop_admitting());
    assert!(!journal.can_admit() && twin.can_admit());
}

#[test]
fn a_folder_is_inspected_without_a_change_and_only_when_nobody_has_it() {
    let folder = tempfile::tempdir().unwrap();
    assert!(inspect(folder.path()).is_err(), "it is no journal");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let (journal, _) = Journal::open(folder.path(), JournalOptions::default()).unwrap();
    let mut worker = journal.worker(0).unwrap();
    record_requests(&mut worker, 3);
    let open = EventId::new_at(Timestamp::from_unix_ms(1));
    worker.admit(open, b"", Now).unwrap();
    journal.note_committed(worker.source_id(), 2).unwrap();
    journal.tidy().unwrap();
    assert!(inspect(folder.path()).is_err(), "somebody has it");
    let source = worker.source_id();
    drop((worker, journal));
    for _ in 0..2 {
        let found = inspect(folder.path()).unwrap().sources;
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].source, found[0].open.as_slice()), (source, [open].as_slice()));
        assert_eq!((found[0].first_sequence, found[0].last_sequence, found[0].committed_through), (1, 3, 2));
    }
}
