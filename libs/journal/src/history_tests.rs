//! Random histories against a model: whatever is admitted, settled, flushed, torn, refused or killed, what was confirmed
//! is found again exactly once and in order.

#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};

use maas_events::SourceId;
use maas_types::{EventId, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

use crate::{
    Flush, Journal, JournalError, JournalOptions, RecoveredSource, WorkerJournal,
    simulated::{Fault, SimulatedStorage},
};

#[derive(Debug, Clone)]
enum Step {
    Admit {
        now: bool,
    },
    Progress {
        pick: usize,
    },
    Settle {
        pick: usize,
        now: bool,
    },
    Flush,
    /// The next write fails after this many bytes.
    Fault {
        written: usize,
        full: bool,
    },
    Take {
        max: usize,
    },
    /// Everything that was taken is committed.
    Commit,
    /// The process ends in the middle of a write; the next one may forget what the last one left.
    Crash {
        written: usize,
        forget: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<bool>().prop_map(|now| Step::Admit { now }),
        2 => any::<usize>().prop_map(|pick| Step::Progress { pick }),
        6 => (any::<usize>(), any::<bool>()).prop_map(|(pick, now)| Step::Settle { pick, now }),
        2 => Just(Step::Flush),
        2 => (0..300_usize, any::<bool>()).prop_map(|(written, full)| Step::Fault { written, full }),
        2 => (1..6_usize).prop_map(|max| Step::Take { max }),
        1 => Just(Step::Commit),
        1 => (0..300_usize, any::<bool>()).prop_map(|(written, forget)| Step::Crash { written, forget }),
    ]
}

/// What one boot was told to write.
#[derive(Default)]
struct Boot {
    /// With whether it is confirmed.
    admitted: BTreeMap<EventId, bool>,
    settled: Vec<EventId>,
    confirmed: usize,
    taken: u64,
    committed: u64,
    /// How many settlements were deleted, as the last restart found it.
    first_on_disk: usize,
}

struct World {
    disk: SimulatedStorage,
    journal: Journal,
    worker: Option<WorkerJournal>,
    /// The boots that may still have something on disk; the last one is running.
    boots: Vec<(SourceId, Boot)>,
    clock: i64,
}

impl World {
    fn new() -> Self {
        let disk = SimulatedStorage::with_free_bytes(1 << 40);
        let (journal, _) = open(&disk);
        let worker = journal.worker(0).unwrap();
        let boots = vec![(worker.source_id(), Boot::default())];
        Self { disk, journal, worker: Some(worker), boots, clock: 1_700_000_000_000 }
    }

    fn run(&mut self, step: Step) {
        let worker = self.worker.as_mut().unwrap();
        let (source, boot) = self.boots.last_mut().unwrap();
        match step {
            Step::Admit { now } => {
                self.clock += 1;
                let event_id = EventId::new_at(Timestamp::from_unix_ms(self.clock));
                if worker.admit(event_id, b"admission", flush(now)).is_ok() {
                    boot.admitted.insert(event_id, false);
                    boot.confirm_if(now);
                }
            }
            Step::Progress { pick } => {
                if let Some(event_id) = boot.pick_open(pick) {
                    worker.progress(event_id, b"progress").unwrap();
                }
            }
            Step::Settle { pick, now } => {
                if let Some(event_id) = boot.pick_open(pick) {
                    let result = worker.settle(event_id, payload, flush(now));
                    boot.settled.push(event_id);
                    match &result {
                        Ok(sequence) => assert_eq!(*sequence, boot.settled.len() as u64),
                        Err(error) => assert!(matches!(error, JournalError::Full { .. } | JournalError::Failed { .. })),
                    }
                    boot.confirm_if(now && result.is_ok());
                }
            }
            Step::Flush => boot.confirm_if(worker.flush().is_ok()),
            Step::Fault { written, full } => {
                let kind = if full { io::ErrorKind::StorageFull } else { io::ErrorKind::Other };
                self.disk.fail_next_append(Fault { written, kind, fatal: false });
            }
            Step::Take { max } => {
                let records = self.journal.take_settled(*source, max).unwrap();
                let waiting = boot.confirmed - boot.taken as usize;
                assert!(records.len() <= max.min(waiting), "more than is in the file");
                assert_eq!(records.is_empty(), waiting == 0, "less than is in the file");
                for record in records {
                    boot.taken += 1;
                    assert_eq!(record.sequence, boot.taken);
                    assert_eq!(record.event_id, boot.settled[boot.taken as usize - 1]);
                }
            }
            Step::Commit => {
                boot.committed = boot.taken;
                self.journal.forget(*source, boot.committed).unwrap();
            }
            Step::Crash { written, forget } => self.crash(written, forget),
        }
    }

    fn crash(&mut self, written: usize, forget: bool) {
        self.disk.fail_next_append(Fault { written, kind: io::ErrorKind::Other, fatal: true });
        self.worker = None;
        self.disk.restart();
        let (journal, recovered) = open(&self.disk);
        self.journal = journal;
        for (source, boot) in &mut self.boots {
            boot.check_settled(&self.journal, *source);
        }
        let mut worker = self.journal.worker(0).unwrap();
        let mut next_boot = Boot::default();
        for source in &recovered {
            assert!(source.missing.is_empty() && source.damaged_segments == 0);
            for request in &source.interrupted {
                self.check_interrupted(source.source, request.event_id);
                worker.settle_interrupted(source.source, request.event_id, payload, Flush::Now).unwrap();
                next_boot.settled.push(request.event_id);
                next_boot.confirm_if(true);
            }
        }
        self.boots.push((worker.source_id(), next_boot));
        self.worker = Some(worker);
        self.check_admissions();
        if forget {
            self.forget_earlier_boots();
        }
    }

    /// It was admitted by that boot, and nothing on disk settles it.
    fn check_interrupted(&self, source: SourceId, event_id: EventId) {
        let (_, boot) = self.boots.iter().find(|(id, _)| *id == source).unwrap();
        assert!(boot.admitted.contains_key(&event_id) && !boot.settled.contains(&event_id));
        let settled_on_disk = |boot: &Boot| boot.settled[boot.first_on_disk..].contains(&event_id);
        assert!(!self.boots.iter().any(|(_, boot)| settled_on_disk(boot)));
    }

    /// By now every confirmed admission has its settlement in some boot.
    fn check_admissions(&self) {
        let settled: BTreeSet<_> = self.boots.iter().flat_map(|(_, boot)| &boot.settled).collect();
        for (event_id, confirmed) in self.boots.iter().flat_map(|(_, boot)| &boot.admitted) {
            assert!(!confirmed || settled.contains(event_id), "an admission is lost");
        }
    }

    fn forget_earlier_boots(&mut self) {
        let running = self.boots.pop().unwrap();
        for (source, boot) in self.boots.drain(..) {
            if self.journal.sources().contains(&source) {
                self.journal.forget(source, boot.settled.len() as u64).unwrap();
            }
        }
        assert_eq!(self.journal.sources(), [running.0]);
        self.boots.push(running);
    }
}

impl Boot {
    fn confirm_if(&mut self, flushed: bool) {
        if flushed {
            self.confirmed = self.settled.len();
            self.admitted.values_mut().for_each(|confirmed| *confirmed = true);
        }
    }

    fn pick_open(&self, pick: usize) -> Option<EventId> {
        let open: Vec<_> = self.admitted.keys().filter(|id| !self.settled.contains(id)).collect();
        (!open.is_empty()).then(|| *open[pick % open.len()])
    }

    /// Reads everything after a restart: dense, as it was written, all that was confirmed and is not committed. What
    /// was found beyond that is confirmed from now on, the rest never happened.
    fn check_settled(&mut self, journal: &Journal, source: SourceId) {
        let mut found = Vec::new();
        while let Ok(records) = journal.take_settled(source, 3)
            && !records.is_empty()
        {
            found.extend(records);
        }
        let first = found.first().map_or(self.committed, |record| record.sequence - 1);
        assert!(first <= self.committed, "an uncommitted record was deleted");
        for (record, sequence) in found.iter().zip(first + 1..) {
            assert_eq!(record.sequence, sequence);
            assert_eq!(record.event_id, self.settled[sequence as usize - 1]);
            assert_eq!(record.payload, payload(sequence));
        }
        let last = first as usize + found.len();
        assert!(last >= self.confirmed, "a confirmed settlement is lost");
        self.first_on_disk = first as usize;
        self.settled.truncate(last);
        self.confirmed = last;
    }
}

fn flush(now: bool) -> Flush {
    if now { Flush::Now } else { Flush::Later }
}

fn payload(sequence: u64) -> Vec<u8> {
    format!("usage of {sequence}").into_bytes()
}

fn open(disk: &SimulatedStorage) -> (Journal, Vec<RecoveredSource>) {
    let options = JournalOptions { segment_bytes: 500, ready_records: 3, ..JournalOptions::default() };
    let (journal, recovery) = Journal::with_storage(Arc::new(disk.clone()), Uuid::from_u128(1), options).unwrap();
    let recovered = recovery.scan().unwrap();
    (journal, recovered)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_confirmed_record_survives_every_history(steps in prop::collection::vec(step(), 1..80)) {
        let mut world = World::new();
        for step in steps {
            world.run(step);
        }
        world.crash(0, true);
    }
}
