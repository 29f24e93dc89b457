//! What only NATS can go through: a server that is killed, wiped or put back to an older copy.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use maas_bus::{BusError, StateChange};
use maas_events::Bucket;
use maas_testkit::Signal;

use crate::world::{
    NatsWorld, changed, copy_folder, deliver_until_stored, message, next, next_change, next_history, soon, until,
    usage_spec, value,
};

#[tokio::test]
async fn watch_survives_a_killed_server() {
    let world = NatsWorld::start().await;
    world.bus.deliver(value("aa", 1, "before")).await.unwrap();
    let mut watch = world.bus.watch_state(Bucket::Keys);
    assert_eq!(next_history(&mut watch).await, [changed("aa", 1, "before")]);

    world.server.kill().unwrap();
    until("the loss is noticed", async || (!world.bus.is_connected()).then_some(())).await;
    assert!(matches!(world.bus.deliver(value("aa", 2, "after")).await, Err(BusError::Unavailable(_))));
    world.restart().await;
    assert_eq!(next_history(&mut watch).await, [changed("aa", 1, "before")]);
    soon("the delivery", deliver_until_stored(&world.bus, value("aa", 2, "after"))).await.unwrap();
    assert_eq!(next_change(&mut watch).await, changed("aa", 2, "after"));
}

#[tokio::test]
async fn watch_starts_again_on_a_wiped_store() {
    let world = NatsWorld::start().await;
    world.bus.deliver(value("aa", 1, "before")).await.unwrap();
    let mut watch = world.bus.watch_state(Bucket::Keys);
    assert_eq!(next_history(&mut watch).await, [changed("aa", 1, "before")]);

    world.kill_and_wipe();
    world.restart().await;
    assert!(matches!(world.bus.check_provisioned().await, Err(BusError::NotProvisioned { .. })));
    world.bus.provision().await.unwrap();
    assert_eq!(next_history(&mut watch).await, []);
    world.bus.deliver(value("bb", 1, "new")).await.unwrap();
    assert_eq!(next_change(&mut watch).await, changed("bb", 1, "new"));
}

#[tokio::test]
async fn watch_notices_a_stream_created_anew_under_its_feet() {
    let world = NatsWorld::start().await;
    world.bus.deliver(value("aa", 1, "before")).await.unwrap();
    let mut watch = world.bus.watch_state(Bucket::Keys);
    assert_eq!(next_history(&mut watch).await, [changed("aa", 1, "before")]);

    let client = async_nats::connect(world.server.url()).await.unwrap();
    async_nats::jetstream::new(client).delete_stream(Bucket::Keys.stream()).await.unwrap();
    world.bus.provision().await.unwrap();
    assert_eq!(next_history(&mut watch).await, []);
    world.bus.deliver(value("aa", 1, "published again")).await.unwrap();
    assert_eq!(next_change(&mut watch).await, changed("aa", 1, "published again"));
}

#[tokio::test]
async fn watch_tells_what_a_rolled_back_store_holds() {
    let world = NatsWorld::start().await;
    world.bus.deliver(value("aa", 1, "older")).await.unwrap();
    world.server.stop().await.unwrap();
    let (store, copy) = (world.server.store_dir(), world.server.store_dir().with_extension("copy"));
    copy_folder(&store, &copy);
    world.restart().await;

    soon("the delivery", deliver_until_stored(&world.bus, value("aa", 2, "newer"))).await.unwrap();
    let mut watch = world.bus.watch_state(Bucket::Keys);
    assert_eq!(next_history(&mut watch).await, [changed("aa", 2, "newer")]);

    world.kill_and_wipe();
    std::fs::rename(&copy, &store).unwrap();
    world.restart().await;
    assert_eq!(next_history(&mut watch).await, [changed("aa", 1, "older")]);
    // The owner compares, publishes its row again, and everyone is right.
    soon("the delivery", deliver_until_stored(&world.bus, value("aa", 2, "newer"))).await.unwrap();
    assert_eq!(next_change(&mut watch).await, changed("aa", 2, "newer"));
}

#[tokio::test]
async fn watch_waits_for_a_stream_that_is_provisioned_later() {
    let world = NatsWorld::start_unprovisioned().await;
    let mut watch = world.bus.watch_state(Bucket::Keys);
    world.bus.provision().await.unwrap();
    assert_eq!(next_change(&mut watch).await, StateChange::Restarted);
    assert_eq!(next_change(&mut watch).await, StateChange::CaughtUp);
}

#[tokio::test]
async fn consumer_survives_a_killed_server() {
    let world = NatsWorld::start().await;
    let mut consumer = world.bus.consume(usage_spec()).await.unwrap();
    world.bus.deliver(message("unacknowledged")).await.unwrap();
    drop(next(&mut consumer).await);
    world.server.kill().unwrap();
    world.restart().await;
    let again = next(&mut consumer).await;
    assert_eq!(again.payload, "unacknowledged");
    again.ack().await.unwrap();
}

#[tokio::test]
async fn consumer_is_created_again_on_a_wiped_store() {
    let world = NatsWorld::start().await;
    let mut consumer = world.bus.consume(usage_spec()).await.unwrap();
    world.bus.deliver(message("before")).await.unwrap();
    next(&mut consumer).await.ack().await.unwrap();
    world.kill_and_wipe();
    world.restart().await;
    world.bus.provision().await.unwrap();
    world.bus.deliver(message("after")).await.unwrap();
    assert_eq!(next(&mut consumer).await.payload, "after");
}

#[tokio::test]
async fn consumer_settings_are_updated() {
    let world = NatsWorld::start().await;
    drop(world.bus.consume(usage_spec()).await.unwrap());
    let mut slower = usage_spec();
    (slower.ack_wait, slower.max_in_flight) = (Duration::from_secs(7), 3);
    let mut consumer = world.bus.consume(slower).await.unwrap();
    world.bus.deliver(message("one")).await.unwrap();
    next(&mut consumer).await.ack().await.unwrap();

    let client = async_nats::connect(world.server.url()).await.unwrap();
    let stream = async_nats::jetstream::new(client).get_stream(usage_spec().stream).await.unwrap();
    let config = stream.consumer_info(usage_spec().name).await.unwrap().config;
    assert_eq!((config.ack_wait, config.max_ack_pending), (Duration::from_secs(7), 3));
}

#[tokio::test]
async fn responders_and_listeners_survive_a_killed_server() {
    let world = NatsWorld::start().await;
    let mut heard = world.bus.listen("maas.contract.v1").await.unwrap();
    world.bus.respond("maas.contract.query.v1", Arc::new(|question| Box::pin(async { question }))).await.unwrap();
    world.server.kill().unwrap();
    world.restart().await;
    until("an answer", async || {
        world.bus.ask("maas.contract.query.v1", Bytes::from_static(b"still there"), Duration::from_secs(1)).await.ok()
    })
    .await;
    until("a broadcast", async || {
        world.bus.broadcast("maas.contract.v1", Bytes::from_static(b"news")).await.ok()?;
        tokio::time::timeout(Duration::from_millis(200), heard.recv()).await.ok()
    })
    .await;
}

#[tokio::test]
async fn frozen_server_is_unavailable_and_the_retry_is_no_duplicate() {
    let world = NatsWorld::start().await;
    world.server.signal(Signal::Stop).unwrap();
    let frozen = soon("a verdict", world.bus.deliver(message("one"))).await;
    assert!(matches!(frozen, Err(BusError::Unavailable(_))), "{frozen:?}");
    // The server still finds the first attempt in its socket.
    world.server.signal(Signal::Continue).unwrap();
    for id in ["one", "two"] {
        soon("the delivery", deliver_until_stored(&world.bus, message(id))).await.unwrap();
    }
    let mut consumer = world.bus.consume(usage_spec()).await.unwrap();
    for id in ["one", "two"] {
        let received = next(&mut consumer).await;
        assert_eq!(received.payload, id);
        received.ack().await.unwrap();
    }
}
