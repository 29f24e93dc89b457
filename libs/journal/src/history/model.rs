//! What must be true, whatever happens.

use std::{collections::BTreeSet, io, sync::Arc, time::Duration};

use maas_events::SourceId;
use maas_types::{EventId, FixedClock, Timestamp};
use uuid::Uuid;

use super::step::{Random, Step};
use crate::{
    Confirmation, Durability, Flush, Journal, JournalError, JournalOptions, RecoveredSource, SettledRecord,
    WorkerJournal,
    journal::Syncing,
    simulated::{Fault, SimulatedStorage},
};

/// What one boot was told to write.
#[derive(Default)]
struct Boot {
    /// In this order; the first ones are confirmed.
    admitted: Vec<EventId>,
    confirmed_admissions: usize,
    /// By sequence; the first ones are confirmed.
    settled: Vec<EventId>,
    confirmed: usize,
    /// Where each settlement ends: its answer is given to the client once that is confirmed.
    settled_at: Vec<u64>,
    /// What was flushed and is not synced: so many admissions and settlements.
    flushed: Vec<(Confirmation, usize, usize)>,
    taken: u64,
    committed: u64,
    /// The highest watermark that was ever told: whatever is above is still there.
    most_committed: u64,
}

const PLENTY: u64 = 1 << 40;
/// More than all records of a history together.
const ENOUGH_BALLAST: u64 = 16_000;

#[derive(PartialEq, Eq)]
enum End {
    OfProcess,
    OfMachine,
}

pub struct World {
    options: JournalOptions,
    disk: SimulatedStorage,
    journal: Journal,
    worker: Option<WorkerJournal>,
    /// The last one is running.
    boots: Vec<(SourceId, Boot)>,
    clock: i64,
}

impl World {
    pub fn new(durability: Durability, random: &mut Random) -> Self {
        let (retention, retained_bytes) = match random.below(3) {
            0 => (Duration::ZERO, 0),
            1 => (Duration::from_secs(3_600), 1_500),
            _ => (Duration::from_secs(3_600), u64::MAX),
        };
        let low_water_bytes = [100, ENOUGH_BALLAST, ENOUGH_BALLAST][random.below(3) as usize];
        let clock = Arc::new(FixedClock::at(Timestamp::from_unix_ms(1_700_000_000_000)));
        let options = JournalOptions {
            durability,
            segment_bytes: 500,
            ready_records: 3,
            retention,
            retained_bytes,
            low_water_bytes,
            clock,
        };
        let disk = SimulatedStorage::with_free_bytes(PLENTY);
        let (journal, _) = open(&disk, &options).unwrap();
        let worker = journal.worker(0).unwrap();
        let boots = vec![(worker.source_id(), Boot::default())];
        Self { options, disk, journal, worker: Some(worker), boots, clock: 1_700_000_000_000 }
    }

    pub fn run(&mut self, step: Step, random: &mut Random) {
        self.take_step(step, random);
        let is_ballast_whole = self.disk.ballast() == self.options.low_water_bytes;
        assert!(is_ballast_whole || !self.journal.can_admit(), "requests are let in without the ballast");
    }

    fn take_step(&mut self, step: Step, random: &mut Random) {
        match step {
            Step::Admit { now } => self.admit(flush(now)),
            Step::Progress { pick } => self.progress(pick),
            Step::Settle { pick, now } => self.settle(pick, flush(now)),
            Step::Flush => {
                let has_room = self.has_room();
                let flushed = self.worker().flush().is_ok();
                assert!(flushed || !has_room, "the ballast does not take what is open");
                self.note_flushed(flushed);
            }
            Step::Sync => {
                self.worker().sync_by_hand();
                self.note_synced();
            }
            Step::WriteFails(fault) => self.disk.fail_next_append(fault),
            Step::Fails(operation) => self.disk.fail_next(operation),
            Step::FillDisk { left } => self.disk.fill(left),
            Step::MakeRoom => self.disk.set_free_bytes(PLENTY),
            Step::Take { max } => self.take(max),
            Step::Commit => self.commit(),
            Step::Restore { percent } => self.restore(percent),
            // What fails is tried again by the next one.
            Step::Tidy => drop(self.journal.tidy()),
            Step::EndEarlierBoots => self.end_earlier_boots(),
            Step::Kill { written } => self.crash(written, End::OfProcess, random),
            Step::LoseMachine { written } => match self.options.durability {
                Durability::Process => self.crash(written, End::OfProcess, random),
                Durability::Host => self.crash(written, End::OfMachine, random),
            },
        }
    }

    /// Everything is found, shipped, committed and forgotten.
    pub fn end(&mut self, random: &mut Random) {
        self.disk.set_free_bytes(PLENTY);
        self.run(Step::LoseMachine { written: 0 }, random);
        self.disk.restart();
        self.end_earlier_boots();
        self.options.retention = Duration::ZERO;
        self.run(Step::Kill { written: usize::MAX }, random);
        self.disk.restart();
        self.end_earlier_boots();
        // Who settles for others goes after them.
        for _ in 0..self.boots.len() {
            self.journal.tidy().unwrap();
        }
        assert_eq!(self.journal.sources(), [self.boots.last().unwrap().0], "something is never forgotten");
    }

    fn worker(&mut self) -> &mut WorkerJournal {
        self.worker.as_mut().unwrap()
    }

    fn boot(&mut self) -> &mut Boot {
        &mut self.boots.last_mut().unwrap().1
    }

    /// Whether a write cannot fail, however full the disk is.
    fn has_room(&self) -> bool {
        self.disk.is_sound() && self.disk.ballast() >= ENOUGH_BALLAST
    }

    fn admit(&mut self, flush: Flush) {
        self.clock += 1;
        let event_id = EventId::new_at(Timestamp::from_unix_ms(self.clock));
        if self.worker().admit(event_id, b"admission", flush).is_ok() {
            self.boot().admitted.push(event_id);
            self.note_flushed(flush == Flush::Now);
        }
    }

    fn progress(&mut self, pick: usize) {
        if let Some(event_id) = self.boot().pick_open(pick) {
            self.worker().progress(event_id, b"progress").unwrap();
        }
    }

    fn settle(&mut self, pick: usize, flush: Flush) {
        let Some(event_id) = self.boot().pick_open(pick) else { return };
        let has_room = self.has_room();
        let result = self.worker().settle(event_id, payload, flush);
        assert!(result.is_ok() || !has_room, "the ballast does not take what is open");
        self.note_settled(event_id);
        match &result {
            Ok(sequence) => assert_eq!(*sequence, self.boot().settled.len() as u64),
            Err(error) => assert!(matches!(error, JournalError::Full { .. } | JournalError::Failed { .. })),
        }
        self.note_flushed(flush == Flush::Now && result.is_ok());
    }

    fn note_settled(&mut self, event_id: EventId) {
        let position = self.worker().position();
        let boot = self.boot();
        boot.settled.push(event_id);
        boot.settled_at.push(position);
    }

    /// Whatever the calls have said: who has the end of an answer has it on disk.
    fn note_answered(&mut self) {
        let Some(worker) = &self.worker else { return };
        let Some((_, boot)) = self.boots.last_mut() else { return };
        let answered = boot.settled_at.iter().filter(|position| worker.is_confirmed(**position)).count();
        boot.confirmed = boot.confirmed.max(answered);
    }

    fn note_flushed(&mut self, flushed: bool) {
        if !flushed {
            return;
        }
        let confirmation = self.worker().confirmation();
        let boot = self.boot();
        match confirmation {
            Some(confirmation) => boot.flushed.push((confirmation, boot.admitted.len(), boot.settled.len())),
            None => (boot.confirmed_admissions, boot.confirmed) = (boot.admitted.len(), boot.settled.len()),
        }
    }

    fn note_synced(&mut self) {
        let boot = self.boot();
        for (_, admitted, settled) in boot.flushed.extract_if(.., |(confirmation, ..)| confirmation.is_confirmed()) {
            boot.confirmed_admissions = boot.confirmed_admissions.max(admitted);
            boot.confirmed = boot.confirmed.max(settled);
        }
    }

    fn take(&mut self, max: usize) {
        let (source, boot) = self.boots.last_mut().unwrap();
        let waiting = boot.confirmed - boot.taken as usize;
        let Ok(records) = self.journal.take_settled(*source, max) else { return };
        assert!(records.len() <= max.min(waiting), "more than is confirmed");
        assert_eq!(records.is_empty(), waiting == 0, "less than is confirmed");
        for record in records {
            boot.taken += 1;
            boot.check(&record, boot.taken);
        }
    }

    fn commit(&mut self) {
        let (source, boot) = self.boots.last_mut().unwrap();
        boot.committed = boot.taken;
        boot.most_committed = boot.most_committed.max(boot.committed);
        self.journal.note_committed(*source, boot.committed).unwrap();
    }

    fn restore(&mut self, percent: u64) {
        for (source, boot) in &mut self.boots {
            boot.committed = boot.committed * percent / 100;
            // One that is gone has been forgotten.
            let _ = self.journal.note_committed(*source, boot.committed);
            boot.check_kept(&self.journal, *source);
        }
    }

    fn end_earlier_boots(&mut self) {
        let (_, earlier) = self.boots.split_last_mut().unwrap();
        for (source, boot) in earlier {
            boot.committed = boot.settled.len() as u64;
            boot.most_committed = boot.committed;
            if self.journal.note_committed(*source, boot.committed).is_ok() {
                self.journal.note_closed(*source).unwrap();
            }
        }
    }

    fn crash(&mut self, written: usize, end: End, random: &mut Random) {
        self.note_answered();
        self.disk.fail_next_append(Fault { written, kind: io::ErrorKind::Other, fatal: true });
        self.worker = None;
        self.disk.restart();
        if end == End::OfMachine {
            self.disk.forget_unsynced(|unsynced| (random.below(unsynced as u64 + 1) as usize, random.flip()));
        }
        if random.flip() {
            self.disk.fail_next(random.operation());
        }
        let recovered = self.reopen();
        for (source, boot) in &mut self.boots {
            boot.check_after_restart(&self.journal, *source);
        }
        self.settle_interrupted(&recovered);
        self.check_admissions();
    }

    /// A start that fails changes nothing; the next one is tried.
    fn reopen(&mut self) -> Vec<RecoveredSource> {
        for _ in 0..2 {
            if let Ok((journal, recovery)) = open(&self.disk, &self.options)
                && let Ok(recovered) = recovery.scan()
            {
                self.disk.restart();
                self.journal = journal;
                return recovered;
            }
            self.disk.restart();
        }
        panic!("the journal cannot be opened");
    }

    fn settle_interrupted(&mut self, recovered: &[RecoveredSource]) {
        let worker = self.journal.worker(0).unwrap();
        self.boots.push((worker.source_id(), Boot::default()));
        self.worker = Some(worker);
        for source in recovered {
            assert_eq!(source.damaged_segments, 0);
            let committed = self.boots.iter().find(|(id, _)| *id == source.source).unwrap().1.most_committed;
            // Without its watermarks a start cannot know what was forgotten.
            assert!(source.missing.iter().all(|missing| *missing.end() <= committed), "{:?}", source.missing);
            for request in &source.interrupted {
                self.check_interrupted(source.source, request.event_id);
                let worker = self.worker();
                let result = worker.settle_interrupted(source.source, request.event_id, payload, Flush::Now);
                assert!(matches!(result, Ok(_) | Err(JournalError::Full { .. })));
                self.note_settled(request.event_id);
                self.note_flushed(result.is_ok());
            }
        }
    }

    /// It was admitted by that boot, and no boot has settled it.
    fn check_interrupted(&self, source: SourceId, event_id: EventId) {
        let (_, boot) = self.boots.iter().find(|(id, _)| *id == source).unwrap();
        assert!(boot.admitted.contains(&event_id), "nobody has admitted it");
        assert!(!self.boots.iter().any(|(_, boot)| boot.settled.contains(&event_id)), "it has an outcome already");
    }

    /// By now every confirmed admission has its settlement in some boot.
    fn check_admissions(&self) {
        let settled: BTreeSet<_> = self.boots.iter().flat_map(|(_, boot)| &boot.settled).collect();
        for (_, boot) in &self.boots {
            let confirmed = &boot.admitted[..boot.confirmed_admissions];
            assert!(confirmed.iter().all(|event_id| settled.contains(event_id)), "an admission is lost");
        }
    }
}

impl Boot {
    fn pick_open(&self, pick: usize) -> Option<EventId> {
        let open: Vec<_> = self.admitted.iter().filter(|id| !self.settled.contains(id)).collect();
        (!open.is_empty()).then(|| *open[pick % open.len()])
    }

    fn check(&self, record: &SettledRecord, sequence: u64) {
        assert_eq!(record.sequence, sequence);
        assert_eq!(record.event_id, self.settled[sequence as usize - 1]);
        assert_eq!(record.payload, payload(sequence));
    }

    /// What can be sent again: dense, as it was written, and everything that was never committed.
    fn check_kept(&self, journal: &Journal, source: SourceId) -> Vec<SettledRecord> {
        let Ok(found) = journal.settled_range(source, 1, u64::MAX, usize::MAX) else { return Vec::new() };
        let first = found.first().map_or(self.most_committed + 1, |record| record.sequence);
        assert!(first <= self.most_committed + 1, "an uncommitted record was deleted");
        for (record, sequence) in found.iter().zip(first..) {
            self.check(record, sequence);
        }
        found
    }

    /// All that was confirmed and never committed is shipped. What was found beyond that is confirmed from now on, the
    /// rest never happened.
    fn check_after_restart(&mut self, journal: &Journal, source: SourceId) {
        self.flushed.clear();
        let kept = self.check_kept(journal, source);
        let mut shipped = Vec::new();
        while let Ok(records) = journal.take_settled(source, 3)
            && !records.is_empty()
        {
            shipped.extend(records);
        }
        if let Some(first) = shipped.first() {
            assert!(first.sequence <= self.most_committed + 1, "an uncommitted record is not shipped");
        }
        let last = |records: &[SettledRecord]| records.last().map_or(0, |record| record.sequence);
        assert!(shipped.is_empty() || last(&shipped) == last(&kept));
        let found = last(&kept).max(self.most_committed);
        assert!(found >= self.confirmed as u64, "a confirmed settlement is lost");
        assert!(last(&shipped).max(self.most_committed) >= self.confirmed as u64, "a settlement is not shipped");
        self.settled.truncate(found as usize);
        self.settled_at.clear();
        self.confirmed = self.settled.len();
        self.taken = self.confirmed as u64;
    }
}

fn flush(now: bool) -> Flush {
    if now { Flush::Now } else { Flush::Later }
}

fn payload(sequence: u64) -> Vec<u8> {
    format!("usage of {sequence}").into_bytes()
}

fn open(disk: &SimulatedStorage, options: &JournalOptions) -> io::Result<(Journal, crate::Recovery)> {
    Journal::with_storage(Arc::new(disk.clone()), Uuid::from_u128(1), options.clone(), Syncing::ByHand)
}
