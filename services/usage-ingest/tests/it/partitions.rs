//! Days of raw events come and go without anybody waiting.

use std::{collections::BTreeSet, time::Duration};

use maas_types::Timestamp;
use maas_usage_ingest::{
    domain::event::day_of,
    service::partitions::{drop_expired, make_ahead},
    store::partition::{gave_up_waiting, missing_days},
};
use sea_orm::ConnectionTrait as _;

use crate::{
    producer::{event, source},
    world::{Engine, World, now, on_both_databases},
};

on_both_databases! { old_days_go_and_sums_stay }

const DAY: Duration = Duration::from_secs(86_400);
const RETENTION: Duration = Duration::from_secs(40 * 86_400);

fn days_ago(days: u32) -> Timestamp {
    now().minus(DAY * days)
}

/// Ten days later, what came 34 days late is over the retention.
fn later() -> Timestamp {
    now().plus(DAY * 10)
}

async fn old_days_go_and_sums_stay(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    world.deliver_events(&source(1), vec![event(1, days_ago(34)), event(2, days_ago(29)), event(3, now())]).await;
    let books = world.books().await;
    assert_eq!(drop_expired(&world.database, RETENTION, now()).await.unwrap(), 0);
    assert_eq!(drop_expired(&world.database, RETENTION, later()).await.unwrap(), 1);
    assert_eq!(drop_expired(&world.database, RETENTION, later()).await.unwrap(), 0);
    assert_eq!(world.event_count().await, 2);
    assert_eq!(world.books().await, books);
    let entries = world.database.reader();
    let row = entries.query_one_raw(sea_orm::Statement::from_string(
        world.database.backend(),
        "SELECT COUNT(*) AS entries FROM usage_entries",
    ));
    assert_eq!(row.await.unwrap().unwrap().try_get_by::<i64, _>("entries").unwrap(), 2);
}

#[actix_web::test]
async fn partitions_are_there_before_the_day_begins() {
    let world = World::idle(Engine::Postgres).await;
    let today = day_of(now());
    let days: BTreeSet<i32> = (today..=today + 4).collect();
    assert_eq!(missing_days(world.database.reader(), &days).await.unwrap(), days);
    for _ in 0..2 {
        make_ahead(&world.database, now()).await.unwrap();
        assert_eq!(missing_days(world.database.reader(), &days).await.unwrap(), [today + 4].into());
    }
}

#[actix_web::test]
async fn a_reader_delays_the_drop_but_never_ingest() {
    let (world, _service) = World::started(Engine::Postgres).await;
    world.deliver_events(&source(1), vec![event(1, days_ago(34)), event(2, now())]).await;
    let reader = world.database.begin().await.unwrap();
    reader.execute_unprepared("SELECT count(*) FROM usage_entries").await.unwrap();

    // While it reads: the drop gives up, ingest goes on, even into a day that has no partition yet.
    let ingest = async {
        for sequence in 3..=12_u32 {
            let list = vec![event(sequence.into(), now()), event(u64::from(sequence) + 10, days_ago(sequence))];
            world.deliver_events(&source(1), list).await;
        }
    };
    let ingest = tokio::time::timeout(Duration::from_secs(60), ingest);
    let (dropped, ingested) = tokio::join!(drop_expired(&world.database, RETENTION, later()), ingest);
    assert!(gave_up_waiting(&dropped.unwrap_err()));
    ingested.unwrap();

    reader.rollback().await.unwrap();
    assert_eq!(drop_expired(&world.database, RETENTION, later()).await.unwrap(), 1);
    assert_eq!((world.event_count().await, world.quarantined().await), (21, vec![]));
}

#[actix_web::test]
async fn a_drop_that_died_half_way_is_finished() {
    let (world, _service) = World::started(Engine::Postgres).await;
    world.deliver_events(&source(1), vec![event(1, days_ago(34)), event(2, now())]).await;
    let table = format!("usage_events_d{:06}", day_of(days_ago(34)));
    world.execute(&format!("ALTER TABLE usage_events DETACH PARTITION {table}")).await;
    assert_eq!(drop_expired(&world.database, RETENTION, later()).await.unwrap(), 1);
    assert!(world.database.reader().execute_unprepared(&format!("SELECT 1 FROM {table}")).await.is_err());
}

#[actix_web::test]
async fn a_day_that_was_detached_by_mistake_is_taken_back() {
    let (world, _service) = World::started(Engine::Postgres).await;
    let first = event(1, days_ago(9));
    world.deliver_events(&source(1), vec![first.clone()]).await;
    let table = format!("usage_events_d{:06}", day_of(days_ago(9)));
    world.execute(&format!("ALTER TABLE usage_events DETACH PARTITION {table}")).await;
    world.deliver_events(&source(1), vec![first, event(2, days_ago(9))]).await;
    assert_eq!((world.event_count().await, world.books().await.ledger[0].requests), (2, 2));
}

#[actix_web::test]
async fn a_clock_that_jumps_ahead_costs_a_few_days_at_a_time() {
    let (world, _service) = World::started(Engine::Postgres).await;
    let list = (1..=5_u32).map(|number| event(number.into(), days_ago(number))).collect();
    world.deliver_events(&source(1), list).await;
    let years_later = now().plus(DAY * 2_000);
    assert_eq!(drop_expired(&world.database, RETENTION, years_later).await.unwrap(), 3);
    assert_eq!(world.event_count().await, 2);
}
