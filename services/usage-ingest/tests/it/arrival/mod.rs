//! Sums never drift: any order, any repetition, any split of the same events and corrections gives the same books.
//!
//! A history is made from a seed: requests with contents of different quality, carried by several sources under several
//! numbers, and signed corrections. Its pieces come in any order and more than once, cut into any batches, on Postgres
//! through two replicas at once; some commits are cut off in the middle and tried again. Then raw days are dropped and
//! everything comes once more. At the end the books are what [`expected`] adds up without a ledger.
//!
//! A history that fails prints its seed; `MAAS_HISTORY_SEED=<seed> cargo test -p maas-usage-ingest arrival` repeats it
//! alone. `MAAS_HISTORIES=<count>` runs so many on each database.

mod expected;
mod history;

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    hash::{BuildHasher as _, Hasher as _, RandomState},
    ops::Range,
    pin::pin,
    task::Poll,
    time::Duration,
};

use maas_store::Database;
use maas_types::Timestamp;
use maas_usage_ingest::{
    domain::received::Entry,
    events::event_entry,
    service::{commit::commit, correct::correct, partitions::drop_expired},
    store::{
        self,
        sums::{DAILY, LEDGER, OVERVIEW, OVERVIEW_DAILY, OVERVIEW_HOURLY, ROLLUPS},
    },
};

use crate::{
    sums::plain_sums,
    world::{Books, Engine, Home, World, closing, now},
};
use expected::{day, hour, month, quarter};
use history::{Batch, History, Piece};

const RETENTION: Duration = Duration::from_secs(40 * 86_400);

#[actix_web::test]
async fn the_books_on_sqlite_do_not_depend_on_how_usage_arrives() {
    run_histories(Engine::Sqlite, 120).await;
}

#[actix_web::test]
async fn the_books_on_postgres_do_not_depend_on_how_usage_arrives() {
    run_histories(Engine::Postgres, 25).await;
}

async fn run_histories(engine: Engine, usual_count: u64) {
    let world = World::in_home(Home::in_memory(engine).await).await;
    let mut replicas = vec![world.database.clone()];
    if engine == Engine::Postgres {
        replicas.push(world.home.connect().await);
    }
    for seed in seeds(usual_count) {
        let failed = Failed { engine, seed };
        forget_everything(&world).await;
        run_history(&world, &replicas, History::from_seed(seed)).await;
        std::mem::forget(failed);
    }
}

fn seeds(usual_count: u64) -> Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("MAAS_HISTORY_SEED") {
        return seed..seed + 1;
    }
    let first = RandomState::new().build_hasher().finish() / 2;
    first..first + number("MAAS_HISTORIES").unwrap_or(usual_count)
}

async fn run_history(world: &World, replicas: &[Database], mut history: History) {
    let expected = expected::books(&history);
    take(replicas, history.arrival(), now()).await;
    let books = world.books().await;
    check_against_entries(world, &books).await;
    check_sources(world, &history).await;
    assert_eq!(world.event_count().await, history.requests.len() as u64);

    // Ids are found for as long as something is taken under them, and nothing is booked again.
    let mut later = now();
    for days in [history.days(), history.days()] {
        later = later.plus(days);
        drop_expired(&world.database, RETENTION, later).await.unwrap();
        take(replicas, history.arrival(), later).await;
        assert_eq!(world.books().await, books, "after raw days were dropped");
    }
    assert_eq!(books.measures(), expected);
}

/// Gives the batches to the replicas, one to each at a time. What was cut off comes again.
async fn take(replicas: &[Database], batches: Vec<Batch>, now: Timestamp) {
    let mut waiting = VecDeque::from(batches);
    while !waiting.is_empty() {
        let round: Vec<_> = waiting.drain(..replicas.len().min(waiting.len())).collect();
        let bookings = replicas.iter().zip(&round).map(|(database, batch)| book(database, batch, now));
        let ended = futures_util::future::join_all(bookings).await;
        let cut_off = round.into_iter().zip(ended).filter(|(_, ended)| !ended);
        waiting.extend(cut_off.map(|(batch, _)| Batch { polls: None, ..batch }));
    }
}

/// Whether it ended; else nobody knows what became of it.
async fn book(database: &Database, batch: &Batch, now: Timestamp) -> bool {
    let entries: Vec<Entry> = batch.pieces.iter().filter_map(|piece| entry(piece, now)).collect();
    let work = async {
        commit(database, &entries, closing(), now).await.unwrap();
        for piece in &batch.pieces {
            if let Piece::Correction(correction) = piece {
                correct(database, std::slice::from_ref(correction), closing(), now).await.unwrap();
            }
        }
    };
    match batch.polls {
        None => {
            work.await;
            true
        }
        Some(polls) => ends_within(polls, work).await,
    }
}

fn entry(piece: &Piece, now: Timestamp) -> Option<Entry> {
    match piece {
        Piece::Event(source, event) => Some(event_entry(source, (**event).clone(), now)),
        Piece::Correction(_) => None,
    }
}

/// Drops the work where it stands if it takes longer.
async fn ends_within(polls: u32, work: impl Future<Output = ()>) -> bool {
    let (mut work, mut left) = (pin!(work), polls);
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(true),
        Poll::Pending if left == 0 => Poll::Ready(false),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// With latencies: those of the contents that came first.
async fn check_against_entries(world: &World, books: &Books) {
    let db = world.database.reader();
    assert_eq!(books.rollups, plain_sums(db, &ROLLUPS, quarter).await);
    assert_eq!(books.daily, plain_sums(db, &DAILY, day).await);
    assert_eq!(books.overview, plain_sums(db, &OVERVIEW, quarter).await);
    assert_eq!(books.overview_hourly, plain_sums(db, &OVERVIEW_HOURLY, hour).await);
    assert_eq!(books.overview_daily, plain_sums(db, &OVERVIEW_DAILY, day).await);
    assert_eq!(books.ledger, plain_sums(db, &LEDGER, month).await);
}

/// Every number that was given is committed, none is missing.
async fn check_sources(world: &World, history: &History) {
    let names = history.sources.keys().cloned().collect();
    let sources = store::source::load(world.database.reader(), &names).await.unwrap();
    let committed = |(name, state): (&std::sync::Arc<str>, &maas_usage_ingest::domain::source::SourceState)| {
        assert_eq!(state.committed.above().count(), 0, "{name} has a gap");
        (name.clone(), state.committed.through())
    };
    assert_eq!(sources.iter().map(committed).collect::<std::collections::BTreeMap<_, _>>(), history.sources);
}

async fn forget_everything(world: &World) {
    for table in [
        "events",
        "corrections",
        "rollups",
        "daily",
        "overview",
        "overview_hourly",
        "overview_daily",
        "ledger",
        "key_uses",
        "quarantine",
        "sources",
        "source_ranges",
    ] {
        world.execute(&format!("DELETE FROM usage_{table}")).await;
    }
    world.execute("UPDATE usage_retention SET raw_floor = 0").await;
}

/// Says which history it was when a check in it fails.
struct Failed {
    engine: Engine,
    seed: u64,
}

impl Drop for Failed {
    #[expect(clippy::print_stderr, reason = "a test says what it found")]
    fn drop(&mut self) {
        let Self { engine, seed } = self;
        eprintln!("a history on {engine:?} failed; repeat it with MAAS_HISTORY_SEED={seed}");
    }
}
