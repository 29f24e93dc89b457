//! Wrong clocks that jump while they are used: proxies ahead and behind, an ingest behind. The time of an event is that of
//! its proxy's clock; nothing is lost and nothing is booked twice.

use std::time::Duration;

use maas_testkit::eventually;
use maas_tests::{Api, ClockOf, Program};
use tokio::time::sleep;

use crate::arena::Arena;
use crate::books::Books;
use crate::quarantine::replay_outside_window;
use crate::seed::Seed;
use crate::storm::Storm;
use crate::traffic::{Told, Traffic};
use crate::wishes::good_wish;

const CLIENTS_PER_PROXY: usize = 2;
const HOUR_MS: i64 = 3_600_000;
const SOME_REQUESTS: Duration = Duration::from_millis(700);
/// A proxy compares its clock with usage-ingest's every 15 s.
const COMPARED_WITHIN: Duration = Duration::from_secs(45);
const CONSUMED_WITHIN: Duration = Duration::from_secs(60);
const RECONCILED_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_jump_lose_no_usage_and_book_none_twice() {
    let seed = Seed::from_environment();
    let arena = Arena::open().await.unwrap();
    let clocks = arena.clocks().unwrap();
    let mut told = ask(&arena, "right", seed.0).await;

    clocks.set(ClockOf::FirstProxy, -3 * HOUR_MS).unwrap();
    clocks.set(ClockOf::SecondProxy, 2 * HOUR_MS).unwrap();
    told.extend(ask(&arena, "wrong", seed.0).await);
    clocks.set(ClockOf::FirstProxy, 2 * HOUR_MS).unwrap();
    clocks.set(ClockOf::SecondProxy, 0).unwrap();
    // Whoever of the two takes a batch judges its admissions by its own clock.
    clocks.set(ClockOf::FirstIngest, -HOUR_MS).unwrap();
    told.extend(ask(&arena, "other", seed.0).await);
    wait_for_check(arena.first_proxy(), "proxy.clock: failed").await;

    // Back by hours: whoever waits by this clock waits for hours.
    arena.set_all_clocks(0).unwrap();
    told.extend(ask(&arena, "mended", seed.0).await);
    wait_for_check(arena.first_proxy(), "proxy.clock: ok").await;
    let books = Books::of(&arena.cluster, &arena.key_id, &told);
    books.wait_until_reconciled(RECONCILED_WITHIN).await;
    check_times(&arena);

    arena.set_all_clocks(3 * HOUR_MS).unwrap();
    let replayed = replay_outside_window(&arena.cluster.api()).await;
    println!("booked from quarantine: {replayed:?}");
    assert!(replayed.events > 0, "an hour ahead is held until its time has come");
    Books { replayed, ..books }.must_be_right(RECONCILED_WITHIN).await;
}

/// Each of them is answered: a wrong clock refuses nobody.
async fn ask(arena: &Arena, name: &str, seed: u64) -> Vec<Told> {
    let traffic = Traffic::start(name, seed, &arena.proxies(), CLIENTS_PER_PROXY, good_wish);
    sleep(SOME_REQUESTS).await;
    let told = traffic.stop().await;
    for told in &told {
        assert!(told.is_full_success(), "{told:?}");
    }
    let storm = Storm::connect(&arena.cluster.nats).await.unwrap();
    storm.wait_until_consumed(CONSUMED_WITHIN).await.unwrap();
    told
}

async fn wait_for_check(proxy: &Program, line: &str) {
    let operations = Api::new(&proxy.operations_url(), "");
    eventually(COMPARED_WITHIN, || async {
        let checks = operations.get("/readyz").await.text;
        checks.lines().any(|check| check.starts_with(line)).then_some(())
    })
    .await;
}

/// Of the traffic with wrong clocks: behind is booked where the proxy's clock was, ahead is not booked yet.
fn check_times(arena: &Arena) {
    let count = |condition: &str| {
        let sql = format!("SELECT count(*) FROM usage_ingest.usage_events WHERE {condition}");
        arena.cluster.database.execute(&sql).unwrap().parse::<usize>().unwrap()
    };
    let hours_ago = |hours: i64| format!("(extract(epoch FROM now()) * 1000 - {})", hours * HOUR_MS);
    let behind = count(&format!("request_id LIKE 'wrong%' AND admitted_at < {}", hours_ago(3)));
    assert!(behind > 0, "three hours behind is booked three hours ago");
    let others = count(&format!("request_id LIKE 'wrong%' AND admitted_at >= {}", hours_ago(3)));
    assert_eq!(others, 0, "two hours ahead is not booked before that");
}
