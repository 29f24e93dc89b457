//! What only the bus inside the process does: it keeps nothing, so it must say so.

use std::sync::Arc;

use maas_bus::{Bus, BusError, InProcessBus, SharedBus, StateChange};
use maas_events::Bucket;

use crate::world::{message, next, next_change, next_history, soon, usage_spec, value};

#[tokio::test(start_paused = true)]
async fn message_that_nobody_consumes_is_unavailable() {
    let refused = InProcessBus::new().deliver(message("one")).await;
    assert!(matches!(refused, Err(BusError::Unavailable(_))));
}

#[tokio::test(start_paused = true)]
async fn durable_name_with_nobody_left_is_unavailable_until_someone_is_back() {
    let bus: SharedBus = Arc::new(InProcessBus::new());
    drop(bus.consume(usage_spec()).await.unwrap());
    assert!(matches!(bus.deliver(message("one")).await, Err(BusError::Unavailable(_))));

    let mut consumer = bus.consume(usage_spec()).await.unwrap();
    let (delivered, received) = tokio::join!(bus.deliver(message("one")), async {
        let received = next(&mut consumer).await;
        let deliveries = received.deliveries;
        received.ack().await.unwrap();
        deliveries
    });
    delivered.unwrap();
    assert_eq!(received, 1);
}

#[tokio::test(start_paused = true)]
async fn member_that_leaves_with_messages_hands_them_to_the_others() {
    let bus: SharedBus = Arc::new(InProcessBus::new());
    let leaving = bus.consume(usage_spec()).await.unwrap();
    let deliveries = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move { tokio::try_join!(bus.deliver(message("one")), bus.deliver(message("two"))) }
    });
    let mut staying = bus.consume(usage_spec()).await.unwrap();
    drop(leaving);
    for _ in 0..2 {
        next(&mut staying).await.ack().await.unwrap();
    }
    soon("the deliveries", deliveries).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn late_acknowledgement_counts() {
    let bus: SharedBus = Arc::new(InProcessBus::new());
    let mut consumer = bus.consume(usage_spec()).await.unwrap();
    let delivery = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move { bus.deliver(message("one")).await }
    });
    let late = next(&mut consumer).await;
    let _again = next(&mut consumer).await;
    late.ack().await.unwrap();
    soon("the delivery", delivery).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_name_with_two_meanings_is_refused() {
    let bus = InProcessBus::new();
    let _consumer = bus.consume(usage_spec()).await.unwrap();
    let mut other = usage_spec();
    other.subject = "maas.audit.v1".to_owned();
    assert!(matches!(bus.consume(other).await.map(|_| ()), Err(BusError::Refused(_))));
}

#[tokio::test]
async fn watcher_that_falls_behind_starts_again_and_misses_nothing() {
    let bus = InProcessBus::new();
    let mut watch = bus.watch_state(Bucket::Keys);
    assert_eq!(next_change(&mut watch).await, StateChange::Restarted);
    for version in 1..=5000 {
        bus.deliver(value("aa", version, "value")).await.unwrap();
    }
    loop {
        match next_history(&mut watch).await.last() {
            Some(StateChange::Value { version: 5000, .. }) => return,
            _ => continue,
        }
    }
}

#[tokio::test]
async fn watch_and_consumer_end_with_the_bus() {
    let bus = InProcessBus::new();
    let (mut watch, mut consumer) = (bus.watch_state(Bucket::Keys), bus.consume(usage_spec()).await.unwrap());
    assert_eq!(next_history(&mut watch).await, []);
    drop(bus);
    assert!(soon("the end of the watch", watch.next()).await.is_none());
    assert!(soon("the end of the consumer", consumer.next()).await.is_none());
}
