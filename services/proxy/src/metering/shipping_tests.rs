//! What the bus gets from a journal, in orders that a running proxy meets only by chance.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use maas_bus::{Bus as _, Consumer, ConsumerSpec, InProcessBus, Message};
use maas_events::{
    SourceId,
    topic::{USAGE_STREAM, WATERMARK_QUERY_SUBJECT},
    usage::{Close, SequenceRange, UsageEvent, UsageMessage, Watermark, Watermarks, usage_message::Body},
};
use maas_journal::{Flush, Journal, JournalOptions, Recovery, WorkerJournal};
use maas_runtime::process::Process;
use maas_types::EventId;
use prost::Message as _;
use tempfile::TempDir;
use tokio::time::timeout;

use super::{recovery::recover, shipping::Shipper};
use crate::metrics::ProxyMetrics;

const PATIENCE: Duration = Duration::from_secs(10);

struct World {
    process: Process,
    bus: InProcessBus,
    consumer: Consumer,
    journal: Journal,
    shipper: Arc<Shipper>,
}

impl World {
    /// Nothing is shipped yet.
    async fn on(folder: &Path, resend_after: Duration) -> (Self, Recovery) {
        Self::retaining(Duration::from_secs(3_600), folder, resend_after).await
    }

    async fn retaining(retention: Duration, folder: &Path, resend_after: Duration) -> (Self, Recovery) {
        let process = Process::new().unwrap();
        let bus = InProcessBus::new();
        let spec = ConsumerSpec {
            stream: USAGE_STREAM,
            name: "test",
            subject: "maas.usage.v1.>".to_owned(),
            ack_wait: Duration::from_secs(30),
            max_in_flight: 64,
        };
        let consumer = bus.consume(spec).await.unwrap();
        let metrics = Arc::new(ProxyMetrics::register(&process.metrics).unwrap());
        let options = JournalOptions { segment_bytes: 1_000, retention, ..JournalOptions::default() };
        let (journal, recovery) = Journal::open(folder, options).unwrap();
        let shared = Arc::new(bus.clone());
        let shipper = Shipper::new(journal.clone(), shared, metrics, &process, resend_after);
        (Self { process, bus, consumer, journal, shipper }, recovery)
    }

    /// The next message, not acknowledged.
    async fn next(&mut self) -> (Message, Body) {
        let message = timeout(PATIENCE, self.consumer.next()).await.unwrap().unwrap();
        let body = UsageMessage::decode(message.payload.clone()).unwrap().body.unwrap();
        (message, body)
    }

    /// Ships until so many events have come; gives their sequences.
    async fn shipped(&mut self, count: usize) -> Vec<u64> {
        let mut shipped = Vec::new();
        while shipped.len() < count {
            let (message, body) = self.next().await;
            shipped.extend(sequences(&body));
            message.ack().await.unwrap();
        }
        shipped
    }

    /// Answers questions for the watermark with what is in the ledger then.
    async fn answer_from(&self, ledger: &Arc<Mutex<bytes::Bytes>>) {
        let asked = ledger.clone();
        let answer = move |_| -> maas_bus::AnswerFuture {
            let answer = asked.lock().unwrap().clone();
            Box::pin(async move { answer })
        };
        self.bus.respond(WATERMARK_QUERY_SUBJECT, Arc::new(answer)).await.unwrap();
    }

    /// Acknowledges what comes until the last word.
    async fn close(&mut self) -> Close {
        loop {
            let (message, body) = self.next().await;
            message.ack().await.unwrap();
            if let Body::Close(close) = body {
                return close;
            }
        }
    }
}

fn told(watermark: Watermark) -> bytes::Bytes {
    Watermarks { sources: vec![watermark], told_at_ms: 0 }.encode_to_vec().into()
}

fn watermark(source: SourceId, committed_through: u64, above: &[(u64, u64)]) -> Watermark {
    let above = above.iter().map(|(first, last)| SequenceRange { first: *first, last: *last }).collect();
    Watermark { source: source.to_string(), committed_through, above, closed: None }
}

fn settle_one(process: &Process, worker: &mut WorkerJournal) {
    let id = EventId::new_at(process.clock.now());
    worker.admit(id, b"", Flush::Now).unwrap();
    let event = |sequence| UsageEvent { sequence, ..Default::default() }.encode_to_vec();
    worker.settle(id, event, Flush::Now).unwrap();
}

fn sequences(body: &Body) -> Vec<u64> {
    match body {
        Body::Events(batch) => batch.events.iter().map(|event| event.sequence).collect(),
        Body::Heartbeat(_) | Body::Close(_) => Vec::new(),
    }
}

#[tokio::test]
async fn a_source_that_never_rests_still_has_its_heartbeat() {
    let folder = tempfile::tempdir().unwrap();
    let (mut world, _) = World::on(folder.path(), PATIENCE).await;
    let mut worker = world.journal.worker(1).unwrap();
    settle_one(&world.process, &mut worker);
    world.shipper.spawn(&world.process);
    let heartbeat = async {
        loop {
            let (message, body) = world.next().await;
            if matches!(body, Body::Heartbeat(_)) {
                return;
            }
            // Another request ends while this message is being delivered.
            settle_one(&world.process, &mut worker);
            message.ack().await.unwrap();
        }
    };
    timeout(PATIENCE, heartbeat).await.unwrap();
}

#[tokio::test]
async fn a_source_that_is_committed_as_it_ends_still_says_its_last_word() {
    let folder = tempfile::tempdir().unwrap();
    let (mut world, _) = World::on(folder.path(), PATIENCE).await;
    let mut worker = world.journal.worker(1).unwrap();
    let source = worker.source_id();
    settle_one(&world.process, &mut worker);
    world.shipper.spawn(&world.process);
    let (message, body) = world.next().await;
    assert_eq!(sequences(&body), [1]);
    drop(worker);
    // Committed, told and heard before the shipper looks again.
    world.shipper.heard(told(watermark(source, 1, &[])));
    message.ack().await.unwrap();
    assert_eq!(world.close().await.last_sequence, 1);
}

/// The files of a process that was killed with one request open and nothing settled.
async fn remains_of_a_kill(folder: &Path) -> TempDir {
    let (world, _) = World::on(folder, PATIENCE).await;
    let mut worker = world.journal.worker(1).unwrap();
    let id = EventId::new_at(world.process.clock.now());
    worker.admit(id, b"", Flush::Now).unwrap();
    let remains = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), remains.path().join(file.file_name())).unwrap();
    }
    remains
}

#[tokio::test]
async fn a_source_that_died_before_its_first_settlement_is_closed_by_the_next_boot() {
    let folder = tempfile::tempdir().unwrap();
    let remains = remains_of_a_kill(folder.path()).await;
    let (mut world, recovery) = World::on(remains.path(), PATIENCE).await;
    recover(&world.journal, recovery, || true).unwrap();
    world.shipper.spawn(&world.process);
    let mut closed = vec![world.close().await.last_sequence, world.close().await.last_sequence];
    closed.sort_unstable();
    assert_eq!(closed, [0, 1], "the dead source, and the one that took over its request");
}

#[tokio::test]
async fn a_watermark_that_went_back_behind_what_was_forgotten_holds_no_resend_up() {
    let folder = tempfile::tempdir().unwrap();
    let (mut world, _) = World::retaining(Duration::ZERO, folder.path(), Duration::from_millis(100)).await;
    let mut worker = world.journal.worker(1).unwrap();
    let source = worker.source_id();
    for _ in 0..600 {
        settle_one(&world.process, &mut worker);
    }
    world.shipper.spawn(&world.process);
    world.shipped(600).await;
    world.shipper.heard(told(watermark(source, 500, &[])));
    world.journal.tidy().unwrap();
    assert!(world.journal.settled_range(source, 1, 400, 1).unwrap().is_empty(), "the first are gone");
    // The ledger was restored from a copy: it has the first 100, and 590 to 595 came again.
    let ledger = Arc::new(Mutex::new(told(watermark(source, 100, &[(590, 595)]))));
    world.answer_from(&ledger).await;
    world.shipper.heard(ledger.lock().unwrap().clone());
    let mut again = BTreeSet::new();
    let resends = async {
        while !again.contains(&600) {
            let (message, body) = world.next().await;
            again.extend(sequences(&body));
            if let (Some(first), Some(last)) = (again.first(), again.last()) {
                *ledger.lock().unwrap() = told(watermark(source, 100, &[(*first, *last)]));
            }
            message.ack().await.unwrap();
            world.shipper.heard(ledger.lock().unwrap().clone());
        }
    };
    timeout(PATIENCE, resends).await.unwrap();
    assert!((501..=589).chain(596..=600).all(|sequence| again.contains(&sequence)), "{again:?}");
}

#[tokio::test]
async fn a_restored_ledger_gets_again_what_is_kept_of_a_source_that_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (mut world, _) = World::on(folder.path(), Duration::from_millis(100)).await;
    let mut worker = world.journal.worker(1).unwrap();
    let source = worker.source_id();
    (0..20).for_each(|_| settle_one(&world.process, &mut worker));
    drop(worker);
    world.shipper.spawn(&world.process);
    assert_eq!(world.close().await.last_sequence, 20);
    world.shipper.heard(told(watermark(source, 20, &[])));
    let ledger = Arc::new(Mutex::new(told(watermark(source, 15, &[]))));
    world.answer_from(&ledger).await;
    world.shipper.ask_about_ended().await;
    assert_eq!(world.shipped(5).await, [16, 17, 18, 19, 20]);
    // And one that does not know the source at all gets everything.
    *ledger.lock().unwrap() = Watermarks::default().encode_to_vec().into();
    world.shipper.ask_about_ended().await;
    assert!(world.shipped(20).await.contains(&1));
}

#[tokio::test]
async fn a_ledger_that_has_forgotten_the_last_word_of_a_source_is_told_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut world, _) = World::on(folder.path(), PATIENCE).await;
    let mut worker = world.journal.worker(1).unwrap();
    let source = worker.source_id();
    settle_one(&world.process, &mut worker);
    drop(worker);
    world.shipper.spawn(&world.process);
    let first = world.close().await;
    world.shipper.heard(told(watermark(source, 1, &[])));
    let restored = Watermark { closed: Some(false), ..watermark(source, 1, &[]) };
    world.answer_from(&Arc::new(Mutex::new(told(restored)))).await;
    let shipper = world.shipper.clone();
    let ask_until_told = async {
        loop {
            shipper.ask_about_ended().await;
            tokio::task::yield_now().await;
        }
    };
    let again = tokio::select! {
        () = ask_until_told => unreachable!("it asks until the other is over"),
        again = timeout(PATIENCE, world.close()) => again.unwrap(),
    };
    assert_eq!(again, first);
}

#[tokio::test]
async fn the_next_boot_asks_before_it_ships_what_the_last_has_shipped() {
    let folder = tempfile::tempdir().unwrap();
    let (world, _) = World::on(folder.path(), PATIENCE).await;
    let mut worker = world.journal.worker(1).unwrap();
    let source = worker.source_id();
    (0..20).for_each(|_| settle_one(&world.process, &mut worker));
    drop((world, worker));
    let (mut world, recovery) = World::on(folder.path(), PATIENCE).await;
    world.answer_from(&Arc::new(Mutex::new(told(watermark(source, 18, &[]))))).await;
    recover(&world.journal, recovery, || true).unwrap();
    world.shipper.spawn(&world.process);
    assert_eq!(world.shipped(2).await, [19, 20]);
}

#[tokio::test]
async fn a_boot_that_hears_of_a_newer_one_admits_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let (world, _) = World::on(folder.path(), PATIENCE).await;
    let mut worker = world.journal.worker(1).unwrap();
    let open = EventId::new_at(world.process.clock.now());
    worker.admit(open, b"", Flush::Now).unwrap();
    let newer = EventId::new_at(world.process.clock.now().plus(Duration::from_secs(1))).uuid();
    let of = |instance, boot| SourceId { instance, boot, worker: 1 };
    world.shipper.heard(told(watermark(of(uuid::Uuid::from_u128(5), newer), 1, &[])));
    assert!(worker.can_admit() && world.process.readiness.is_ready(), "it is another instance's");
    world.shipper.heard(told(watermark(of(world.journal.instance(), newer), 1, &[])));
    assert!(!worker.can_admit() && !world.process.readiness.is_ready());
    assert_eq!(worker.settle(open, |_| "", Flush::Now).unwrap(), 1, "what is open is settled");
    assert!(!worker.can_admit(), "and nothing takes it back");
}

#[tokio::test]
async fn a_clock_that_is_off_makes_the_proxy_not_ready_until_it_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let (world, _) = World::on(folder.path(), PATIENCE).await;
    let told_at = |seconds: i64| {
        let told_at_ms = world.process.clock.now().unix_ms() + seconds * 1_000;
        bytes::Bytes::from(Watermarks { sources: Vec::new(), told_at_ms }.encode_to_vec())
    };
    let ledger = Arc::new(Mutex::new(told_at(3_600)));
    world.answer_from(&ledger).await;
    for (seconds, is_ready) in [(3_600, false), (0, true), (-3_600, false), (20, true)] {
        *ledger.lock().unwrap() = told_at(seconds);
        world.shipper.ask_about_ended().await;
        assert_eq!(world.process.readiness.is_ready(), is_ready, "{seconds}");
    }
}
