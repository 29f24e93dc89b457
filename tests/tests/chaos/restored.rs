//! A ledger that comes back from a backup: whatever it has forgotten, events and last words, is still in
//! the proxies' journals, and is sent again.

use std::collections::BTreeSet;
use std::time::Duration;

use maas_testkit::eventually;
use tokio::time::{Instant, sleep};

use crate::arena::Arena;
use crate::books::Books;
use crate::plan::{Blow, Victim};
use crate::postgres::{LedgerCopy, data_folder};
use crate::seed::Seed;
use crate::storm::Storm;
use crate::traffic::Traffic;
use crate::wishes::any_wish;

const CLIENTS_PER_PROXY: usize = 2;
const SOME_REQUESTS: Duration = Duration::from_secs(1);
const CONSUMED_WITHIN: Duration = Duration::from_secs(60);
/// Each proxy asks every 15 s how far its ended sources are committed.
const RECONCILED_WITHIN: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_restored_from_an_older_copy_is_whole_again() {
    let seed = Seed::from_environment();
    let mut arena = Arena::open().await.unwrap();
    let folder = data_folder(&arena.cluster.database).unwrap();
    let traffic = Traffic::start("restored", seed.0, &arena.proxies(), CLIENTS_PER_PROXY, any_wish);
    sleep(SOME_REQUESTS).await;
    let copy = LedgerCopy::take(&arena.cluster.postgres, &folder).await.unwrap();

    // Some of what is forgotten is of sources that have ended, and so is their end.
    sleep(SOME_REQUESTS).await;
    for blow in [Blow::Kill(Victim::FirstProxy), Blow::Restart(Victim::SecondProxy)] {
        arena.begin(blow).await.unwrap();
        arena.mend(blow).await.unwrap();
    }
    sleep(SOME_REQUESTS).await;
    // Committed, and so acknowledged on the bus: nobody will deliver it again.
    let storm = Storm::connect(&arena.cluster.nats).await.unwrap();
    storm.wait_until_consumed(CONSUMED_WITHIN).await.unwrap();
    let booked = booked_ids(&arena);
    copy.put_back(&arena.cluster.postgres, &folder).await.unwrap();
    let forgotten = &booked - &booked_ids(&arena);
    assert!(!forgotten.is_empty(), "the copy is older");

    let restored = Instant::now();
    sleep(SOME_REQUESTS).await;
    let told = traffic.stop().await;
    eventually(RECONCILED_WITHIN, || async { booked_ids(&arena).is_superset(&forgotten).then_some(()) }).await;
    println!("{} forgotten events were back {:?} after the ledger", forgotten.len(), restored.elapsed());
    Books::of(&arena.cluster, &arena.key_id, &told).must_be_right(RECONCILED_WITHIN).await;
}

fn booked_ids(arena: &Arena) -> BTreeSet<String> {
    let ids = arena.cluster.database.execute("SELECT id FROM usage_ingest.usage_events");
    ids.unwrap().lines().map(str::to_owned).collect()
}
