//! Connections that only one end remembers, in the middle of a transaction: nobody is told, and nobody may wait for ever.

use std::time::Duration;

use maas_tests::{End, Fault, Link, Way};
use tokio::time::sleep;

use crate::arena::{Arena, SLOW_STATEMENT};
use crate::books::Books;
use crate::plan::{Blow, Victim};
use crate::seed::Seed;
use crate::storm::Storm;
use crate::traffic::Traffic;
use crate::wishes::good_wish;

const CLIENTS_PER_PROXY: usize = 2;
/// The sessions of the database, the time of a transaction and the redelivery of messages have limits of 30 s and less.
const CONSUMED_WITHIN: Duration = Duration::from_secs(75);
const RECONCILED_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "waits for limits of 15 to 30 s: make chaos"]
async fn an_ingest_that_vanishes_in_a_transaction_holds_nobody_up() {
    let seed = Seed::from_environment();
    let mut arena = Arena::open().await.unwrap();
    let traffic = Traffic::start("forgotten", seed.0, &arena.proxies(), CLIENTS_PER_PROXY, good_wish);
    arena.begin(Blow::Vanish(Victim::FirstIngest)).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let told = traffic.stop().await;
    // The first one is still dead, and its session in the database open.
    let storm = Storm::connect(&arena.cluster.nats).await.unwrap();
    storm.wait_until_consumed(CONSUMED_WITHIN).await.unwrap();
    arena.mend(Blow::Vanish(Victim::FirstIngest)).await.unwrap();
    Books::of(&arena.cluster, &arena.key_id, &told).must_be_right(RECONCILED_WITHIN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "waits for limits of 15 to 30 s: make chaos"]
async fn ingests_whose_database_has_forgotten_them_go_on() {
    let seed = Seed::from_environment();
    let arena = Arena::open().await.unwrap();
    let traffic = Traffic::start("forgotten", seed.0, &arena.proxies(), CLIENTS_PER_PROXY, good_wish);
    let links = arena.cluster.links.as_ref().unwrap();
    let to_database = [Link::FirstIngestPostgres, Link::SecondIngestPostgres];
    to_database.iter().for_each(|link| links.impose(*link, Fault::Delay(SLOW_STATEMENT), Way::Both));
    sleep(SLOW_STATEMENT * 20).await;
    to_database.iter().for_each(|link| links.impose(*link, Fault::HalfOpen(End::Client), Way::Both));
    sleep(Duration::from_secs(1)).await;
    // The database is back, but never answers what it was asked before.
    links.heal_all();
    let told = traffic.stop().await;
    let storm = Storm::connect(&arena.cluster.nats).await.unwrap();
    storm.wait_until_consumed(CONSUMED_WITHIN).await.unwrap();
    Books::of(&arena.cluster, &arena.key_id, &told).must_be_right(RECONCILED_WITHIN).await;
}
