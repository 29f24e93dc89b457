//! How events are gathered into transactions.

use std::time::Duration;

use maas_usage_ingest::store::lock::{PARTITION, hold_partition};

use crate::{
    producer::{event, events, source},
    world::{Engine, World, now},
};

const MESSAGES: u64 = 40;

fn commits(world: &World) -> Option<u64> {
    let metrics = world.process.metrics.render().unwrap();
    let line = metrics.lines().find(|line| line.starts_with("maas_usage_commit_duration_seconds_count"))?;
    line.split_whitespace().last()?.parse().ok()
}

/// More than a batch of 1,000, which is what would be gathered with nothing to wait for.
#[actix_web::test]
async fn a_backlog_is_written_in_one_transaction() {
    let (world, _service) = World::started(Engine::Postgres).await;
    let other_replica = world.database.begin().await.unwrap();
    hold_partition(&other_replica, PARTITION).await.unwrap();
    let deliveries: Vec<_> = (0..MESSAGES)
        .map(|number| {
            let list = (1..=50).map(|offset| event(number * 50 + offset, now())).collect();
            let (bus, message) = (world.bus.clone(), events(&source(1), list));
            tokio::spawn(async move { bus.deliver(message).await })
        })
        .collect();
    // All are gathered, into the batch that waits for the lock and the one behind it.
    let gathered = || async {
        let metrics = world.process.metrics.render().unwrap();
        metrics
            .lines()
            .any(|line| line.starts_with("maas_usage_consumer_pending{") && line.ends_with(" 0"))
            .then_some(())
    };
    maas_testkit::eventually(Duration::from_secs(10), gathered).await;
    assert_eq!(world.event_count().await, 0);

    other_replica.rollback().await.unwrap();
    for delivery in deliveries {
        delivery.await.unwrap().unwrap();
    }
    assert_eq!(world.event_count().await, MESSAGES * 50);
    assert!(commits(&world).is_some_and(|commits| (1..=2).contains(&commits)), "{:?}", commits(&world));
}
