//! `make bench-journal`: how long a start takes to read back what a killed process has left, and what it costs a worker
//! that admits and settles meanwhile. It stops where the bus would begin.
//!
//!   replay [MiB of journal, 1024] [requests per second of the live worker, 2000]
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use maas_journal::{Flush, Journal, JournalOptions, WorkerJournal};
use maas_types::{Clock as _, EventId, SystemClock};

/// What an admission and a settlement of a usual request take.
const ADMISSION: [u8; 330] = [7; 330];
const SETTLEMENT: [u8; 480] = [7; 480];
const BATCH: usize = 256;
const MIB: u64 = 1024 * 1024;

fn main() {
    let argument = |at, default| std::env::args().nth(at).map_or(default, |text| text.parse().unwrap());
    let (mib, rate) = (argument(1, 1024), argument(2, 2_000));
    let folder = tempfile::tempdir().unwrap();
    let written = write_journal(folder.path(), mib * MIB);
    println!("{mib} MiB of journal, {written} requests, as a killed process leaves it");

    let (journal, recovery) = Journal::open(folder.path(), JournalOptions::default()).unwrap();
    let worker = journal.worker(1).unwrap();
    let live = Live::start(worker, rate);
    std::thread::sleep(Duration::from_secs(3));
    live.replaying.store(true, Ordering::Relaxed);
    let began = Instant::now();
    let recovered = recovery.scan().unwrap();
    let scanned = began.elapsed();
    let mut shipped = 0;
    for source in &recovered {
        loop {
            let records = journal.take_settled(source.source, BATCH).unwrap();
            shipped += records.len();
            if records.is_empty() {
                break;
            }
        }
    }
    let took = began.elapsed();
    assert_eq!(shipped, written);
    println!("read in {:.2} s, ready to be shipped after {:.2} s", scanned.as_secs_f64(), took.as_secs_f64());
    println!("{:.0} MiB/s, {:.0} events/s", mib as f64 / took.as_secs_f64(), shipped as f64 / took.as_secs_f64());
    let (before, during) = live.end();
    println!("a live worker at {rate} requests/s, admission and settlement together:");
    println!("  before: {}\n  during: {}", percentiles(before), percentiles(during));
}

/// Fills a journal and ends without committing anything; gives the number of requests.
fn write_journal(folder: &Path, bytes: u64) -> usize {
    let (journal, _) = Journal::open(folder, JournalOptions::default()).unwrap();
    let mut worker = journal.worker(1).unwrap();
    let mut count = 0;
    while count % 1_000 != 0 || journal.stats().bytes < bytes {
        record_request(&mut worker, Flush::Later);
        count += 1;
    }
    count
}

fn record_request(worker: &mut WorkerJournal, flush: Flush) {
    let event_id = EventId::new_at(SystemClock.now());
    worker.admit(event_id, &ADMISSION, flush).unwrap();
    worker.settle(event_id, |_| SETTLEMENT.to_vec(), flush).unwrap();
}

/// A worker with traffic of its own.
struct Live {
    replaying: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<(Vec<Duration>, Vec<Duration>)>,
}

impl Live {
    fn start(mut worker: WorkerJournal, rate: u64) -> Self {
        let (replaying, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (replays, ends) = (Arc::clone(&replaying), Arc::clone(&ended));
        let thread = std::thread::spawn(move || {
            let (mut before, mut during) = (Vec::new(), Vec::new());
            let mut due = Instant::now();
            while !ends.load(Ordering::Relaxed) {
                due += Duration::from_nanos(1_000_000_000 / rate);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                let began = Instant::now();
                record_request(&mut worker, Flush::Now);
                let took = began.elapsed();
                if replays.load(Ordering::Relaxed) { during.push(took) } else { before.push(took) }
            }
            (before, during)
        });
        Self { replaying, ended, thread }
    }

    fn end(self) -> (Vec<Duration>, Vec<Duration>) {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn percentiles(mut samples: Vec<Duration>) -> String {
    samples.sort_unstable();
    let at = |share: f64| samples[((samples.len() - 1) as f64 * share) as usize].as_micros();
    format!("p50 {} µs, p99 {} µs, p99.9 {} µs ({} requests)", at(0.5), at(0.99), at(0.999), samples.len())
}
