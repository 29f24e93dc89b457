//! A history of blows under traffic of every kind.

use std::time::Duration;

use anyhow::Context;
use maas_testkit::TestDatabase;
use tokio::time::{Instant, sleep};

use crate::arena::{Arena, mending_order};
use crate::books::Books;
use crate::plan::{Blow, MOST_SKEW_MS, Plan, Round, Victim};
use crate::quarantine::replay_outside_window;
use crate::seed::{Bounds, Seed};
use crate::storm::{Forged, Storm};
use crate::traffic::{Told, Traffic};
use crate::wishes::{any_wish, good_wish};

const CLIENTS_PER_PROXY: usize = 3;
/// Redelivery after a frozen consumer takes 30 s, a NATS connection that only looks alive 20 s.
const RECONCILED_WITHIN: Duration = Duration::from_secs(90);
const CONSUMED_WITHIN: Duration = Duration::from_secs(60);
const SOME_REQUESTS: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_hit_every_request_is_booked_once() {
    let seed = Seed::from_environment();
    let mut arena = Arena::open().await.unwrap();
    let traffic = Traffic::start("chaos", seed.0, &arena.proxies(), CLIENTS_PER_PROXY, any_wish);

    let (bounds, started) = (Bounds::from_environment(), Instant::now());
    let say = |what: &str| println!("{:>6.1} s  {what}", started.elapsed().as_secs_f64());
    for (number, round) in Plan::of(seed.0).take(bounds.rounds).enumerate() {
        if started.elapsed() >= bounds.time {
            break;
        }
        say(&format!("round {number}: {round:?}"));
        fight(&mut arena, &round).await.unwrap_or_else(|error| panic!("round {number}: {error:#}"));
    }
    arena.check_that_all_run().unwrap();
    say("the blows are over");
    let mut told = traffic.stop().await;
    say("the clients have their answers");
    for (name, other) in [("second-ingest", Victim::FirstIngest), ("first-ingest", Victim::SecondIngest)] {
        told.extend(alone(&mut arena, name, other).await.unwrap_or_else(|error| panic!("{name} alone: {error:#}")));
    }
    say("each ingest works alone");
    let mut storm = Storm::connect(&arena.cluster.nats).await.unwrap();
    say_everything_again(&mut storm).await.unwrap();
    say("everything was said again");
    let books = Books::of(&arena.cluster, &arena.key_id, &told);
    books.wait_until_reconciled(RECONCILED_WITHIN).await;

    // The time of what was admitted ahead of ours has to come.
    arena.set_all_clocks(MOST_SKEW_MS).unwrap();
    let replayed = replay_outside_window(&arena.cluster.api()).await;
    say(&format!("booked from quarantine: {replayed:?}"));
    say_everything_again(&mut storm).await.unwrap();
    let forged = forge(&arena, &mut storm).await.unwrap();
    Books { forged, replayed, ..books }.must_be_right(RECONCILED_WITHIN).await;
    arena.check_that_all_run().unwrap();
}

async fn fight(arena: &mut Arena, round: &Round) -> anyhow::Result<()> {
    for blow in &round.blows {
        arena.begin(*blow).await.with_context(|| format!("{blow:?}"))?;
    }
    sleep(round.lasts).await;
    let mut blows = round.blows.clone();
    blows.sort_by_key(mending_order);
    for blow in blows {
        arena.mend(blow).await.with_context(|| format!("the end of {blow:?}"))?;
    }
    sleep(round.rest).await;
    Ok(())
}

/// No replica is left behind as a shell that looks alive and does nothing: with the other one gone it books everything.
async fn alone(arena: &mut Arena, name: &str, other: Victim) -> anyhow::Result<Vec<Told>> {
    arena.begin(Blow::Restart(other)).await?;
    let traffic = Traffic::start(name, 0, &arena.proxies(), 1, good_wish);
    sleep(SOME_REQUESTS).await;
    let told = traffic.stop().await;
    Storm::connect(&arena.cluster.nats).await?.wait_until_consumed(CONSUMED_WITHIN).await?;
    arena.mend(Blow::Restart(other)).await?;
    Ok(told)
}

/// On healthy ground.
async fn say_everything_again(storm: &mut Storm) -> anyhow::Result<()> {
    storm.wait_until_consumed(CONSUMED_WITHIN).await?;
    storm.repeat_stream(1).await?;
    storm.wait_until_consumed(CONSUMED_WITHIN).await
}

async fn forge(arena: &Arena, storm: &mut Storm) -> anyhow::Result<Forged> {
    let database: &TestDatabase = &arena.cluster.database;
    let is_booked = |id| {
        let sql = format!("SELECT count(*) FROM usage_ingest.usage_events WHERE id = '{id}' AND quality = 'exact'");
        database.execute(&sql).is_ok_and(|count| count == "1")
    };
    let forged = storm.forge(is_booked).await?;
    storm.wait_until_consumed(CONSUMED_WITHIN).await?;
    Ok(forged)
}
