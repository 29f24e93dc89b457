//! No event is lost, none is counted twice.

use std::time::Duration;

use maas_events::{topic::WATERMARK_SUBJECT, usage::Watermarks};
use maas_usage_ingest::{
    UsageIngestSettings,
    events::entries_of,
    service::{commit::commit, consumer::consumer_spec},
};
use prost::Message as _;

use crate::{
    producer::{event, events, source},
    world::{Engine, Home, World, closing, now, on_both_databases},
};

on_both_databases! {
    a_message_delivered_three_times_counts_once
    one_event_in_two_messages_of_two_sources_counts_once
    a_crash_between_commit_and_acknowledgement_doubles_nothing
    a_database_that_comes_back_finds_the_batch_again
    the_watermark_is_told_after_the_commit
}

async fn a_message_delivered_three_times_counts_once(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    let source = source(1);
    let message = events(&source, (1..=20).map(|sequence| event(sequence, now())).collect());
    for _ in 0..3 {
        world.deliver(message.clone()).await;
    }
    let books = world.books().await;
    assert_eq!(world.event_count().await, 20);
    assert_eq!(books.ledger.len(), 1);
    assert_eq!((books.ledger[0].requests, books.ledger[0].cost_nanos), (20, 30_000));
    assert_eq!(books.rollups.iter().map(|row| row.input).sum::<i64>(), 2_000);
    assert_eq!(books.key_uses[0].last_used_at, now().unix_ms());
    assert_eq!(world.quarantined().await, []);
    let metrics = world.process.metrics.render().unwrap();
    assert!(metrics.contains("maas_usage_events_total{outcome=\"stored\"} 20"), "{metrics}");
    assert!(metrics.contains("maas_usage_events_total{outcome=\"duplicate\"} 40"), "{metrics}");
    assert_eq!(maas_runtime::metrics::undeclared(&metrics), Vec::<String>::new());
}

/// After a crash the old id is settled under the sequence of a new source.
async fn one_event_in_two_messages_of_two_sources_counts_once(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    let first = event(7, now());
    let again = maas_events::usage::UsageEvent { sequence: 1, ..first.clone() };
    world.deliver_events(&source(1), vec![first]).await;
    world.deliver_events(&source(5), vec![again]).await;
    assert_eq!(world.event_count().await, 1);
    assert_eq!(world.watermark(&source(5)).await.unwrap().committed_through, 1);
    assert_eq!(world.quarantined().await, []);
}

async fn a_crash_between_commit_and_acknowledgement_doubles_nothing(engine: Engine) {
    let world = World::idle(engine).await;
    let mut dying = world.bus.consume(consumer_spec(&UsageIngestSettings::default())).await.unwrap();
    let bus = world.bus.clone();
    let message = events(&source(1), vec![event(1, now()), event(2, now())]);
    let delivery = tokio::spawn(async move { bus.deliver(message).await });

    // The first process commits and dies.
    let message = dying.next().await.unwrap();
    let committed = commit(&world.database, &entries_of(&message, now()), closing(), now()).await.unwrap();
    assert_eq!(committed.stored.len(), 2);
    drop(dying);
    let service = world.start().await;
    drop(message);

    delivery.await.unwrap().unwrap();
    assert_eq!(world.event_count().await, 2);
    assert_eq!(world.books().await.ledger[0].requests, 2);
    drop(service);
}

async fn a_database_that_comes_back_finds_the_batch_again(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    // Nobody can tell this from a missing right or a schema that is too old: held, not quarantined.
    world.execute("ALTER TABLE usage_ledger RENAME TO usage_ledger_away").await;
    let bus = world.bus.clone();
    let message = events(&source(1), vec![event(1, now())]);
    let delivery = tokio::spawn(async move { bus.deliver(message).await });
    let retried = || async {
        let metrics = world.process.metrics.render().unwrap();
        metrics.contains("outcome=\"retried\"").then_some(())
    };
    maas_testkit::eventually(Duration::from_secs(20), retried).await;
    assert!(!delivery.is_finished() && !world.process.readiness.is_ready());
    assert_eq!(world.event_count().await, 0);

    world.execute("ALTER TABLE usage_ledger_away RENAME TO usage_ledger").await;
    delivery.await.unwrap().unwrap();
    assert_eq!((world.event_count().await, world.quarantined().await), (1, vec![]));
}

async fn the_watermark_is_told_after_the_commit(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    let mut heard = world.bus.listen(WATERMARK_SUBJECT).await.unwrap();
    world.deliver_events(&source(1), vec![event(1, now()), event(2, now())]).await;
    let told = tokio::time::timeout(Duration::from_secs(10), heard.recv()).await.unwrap().unwrap();
    let told = Watermarks::decode(told).unwrap();
    assert_eq!((told.sources[0].source.clone(), told.sources[0].committed_through), (source(1), 2));
}

#[actix_web::test]
async fn two_replicas_on_postgres_count_each_event_once() {
    let (first, _first_service) = World::started(Engine::Postgres).await;
    let second = first.beside().await;
    let _second_service = second.start().await;
    let batches: Vec<_> = (0..10_u64)
        .map(|batch| events(&source(1), (1..=20).map(|offset| event(batch * 20 + offset, now())).collect()))
        .collect();
    let to = |world: &World, order: Vec<maas_events::Delivery>| {
        let bus = world.bus.clone();
        async move { futures_util::future::join_all(order.into_iter().map(|message| bus.deliver(message))).await }
    };
    let backwards = batches.iter().rev().cloned().collect();
    let (one, two) = tokio::join!(to(&first, batches.clone()), to(&second, backwards));
    assert!(one.into_iter().chain(two).all(|delivered| delivered.is_ok()));
    assert_eq!(first.event_count().await, 200);
    assert_eq!(first.books().await.ledger[0].cost_nanos, 200 * 1_500);
    let watermark = first.watermark(&source(1)).await.unwrap();
    assert_eq!((watermark.committed_through, watermark.above.len()), (200, 0));
}

#[actix_web::test]
async fn a_killed_postgres_loses_and_doubles_nothing() {
    let postgres = maas_testkit::Postgres::start().await.unwrap();
    let world = World::in_home(Home::Postgres(postgres.database().await.unwrap())).await;
    let _service = world.start().await;
    world.deliver_events(&source(1), vec![event(1, now())]).await;
    let batches =
        (0..40_u64).map(|batch| events(&source(1), (2..=26).map(|offset| event(batch * 25 + offset, now())).collect()));
    let deliveries: Vec<_> = batches
        .map(|message| {
            let bus = world.bus.clone();
            tokio::spawn(async move { bus.deliver(message).await })
        })
        .collect();
    // In the middle of the work, wherever that is.
    let begun = || async { (world.event_count().await > 1).then_some(()) };
    maas_testkit::eventually(Duration::from_secs(20), begun).await;
    postgres.kill().await.unwrap();
    postgres.restart().await.unwrap();
    for delivery in deliveries {
        delivery.await.unwrap().unwrap();
    }
    assert_eq!((world.event_count().await, world.quarantined().await), (1_001, vec![]));
    assert_eq!(world.books().await.ledger[0].cost_nanos, 1_001 * 1_500);
    assert_eq!(world.watermark(&source(1)).await.unwrap().committed_through, 1_001);
}
