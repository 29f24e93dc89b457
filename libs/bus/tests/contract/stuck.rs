//! A consumer at the server that delivers nothing, or would skip something: it is replaced, and nothing is lost.

use std::{path::Path, time::Duration};

use async_nats::jetstream::{
    self, AckKind,
    consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull},
    stream::Stream,
};
use futures_util::StreamExt as _;
use maas_bus::{Bus, ConsumerSpec, ConsumerStatus, NatsBus, NatsConfig, SharedBus};
use maas_events::topic;
use maas_testkit::nats::NatsServer;
use tokio::task::JoinHandle;

use crate::world::{NatsWorld, copy_folder, deliver_until_stored, message, next, soon, until, usage_spec};

crate::on_both!(a_status_says_what_waits);

async fn a_status_says_what_waits(bus: SharedBus) {
    let mut consumer = bus.consume(usage_spec()).await.unwrap();
    let status = async || bus.consumer_status(&usage_spec()).await.unwrap();
    assert_eq!(status().await, ConsumerStatus::default());
    let delivered = deliver_until_stored(&bus, message("one"));
    let held = next(&mut consumer).await;
    assert_eq!((status().await.unacknowledged, status().await.redelivered), (1, 0));
    drop(held);
    let again = next(&mut consumer).await;
    assert_eq!((status().await.unacknowledged, status().await.redelivered), (1, 1));
    again.ack().await.unwrap();
    soon("the delivery", delivered).await.unwrap();
    until("nothing waits", async || (status().await == ConsumerStatus::default()).then_some(())).await;
}

async fn usage_stream(server: &NatsServer) -> Stream {
    let client = async_nats::connect(server.url()).await.unwrap();
    jetstream::new(client).get_stream(topic::USAGE_STREAM).await.unwrap()
}

async fn impatient(server: &NatsServer) -> NatsBus {
    let config = NatsConfig::new(server.url(), "contract-test");
    NatsBus::connect(NatsConfig { stuck_after: Duration::from_secs(1), ..config }).await.unwrap()
}

/// Takes as many messages as may be out, and asks for more time for ever: nothing comes again, and nobody gets anything.
async fn hold_all(durable: &PullConsumer, most: usize) -> JoinHandle<()> {
    let mut fetched = durable.fetch().max_messages(most).messages().await.unwrap();
    let mut held = Vec::new();
    while let Some(message) = soon("the messages", fetched.next()).await {
        held.push(message.unwrap());
    }
    assert_eq!(held.len(), most);
    tokio::spawn(async move {
        loop {
            for message in &held {
                message.ack_with(AckKind::Progress).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    })
}

#[tokio::test]
async fn a_stuck_consumer_is_replaced_and_begins_behind_what_was_acknowledged() {
    let world = NatsWorld::start().await;
    let bus = impatient(&world.server).await;
    let spec = ConsumerSpec { max_in_flight: 4, ack_wait: Duration::from_secs(2), ..usage_spec() };
    let mut consumer = bus.consume(spec.clone()).await.unwrap();
    bus.deliver(message("acknowledged")).await.unwrap();
    next(&mut consumer).await.ack().await.unwrap();
    let acknowledged = async || (bus.consumer_status(&spec).await.ok()?.unacknowledged == 0).then_some(());
    until("the acknowledgement arrives", acknowledged).await;
    drop(consumer);

    let durable: PullConsumer = usage_stream(&world.server).await.get_consumer(spec.name).await.unwrap();
    for number in 0..8 {
        bus.deliver(message(&format!("held-{number}"))).await.unwrap();
    }
    let holder = hold_all(&durable, spec.max_in_flight).await;
    let mut consumer = bus.consume(spec.clone()).await.unwrap();
    for number in 0..8 {
        let received = next(&mut consumer).await;
        assert_eq!(received.payload, format!("held-{number}"));
        received.ack().await.unwrap();
    }
    assert_ne!(durable.get_info().await.unwrap().created, durable.cached_info().created);
    holder.abort();
}

#[tokio::test]
async fn a_consumer_that_would_skip_messages_is_made_anew() {
    let world = NatsWorld::start().await;
    world.bus.deliver(message("before")).await.unwrap();
    let stream = usage_stream(&world.server).await;
    for odd in [
        pull::Config { deliver_policy: DeliverPolicy::New, ..pull::Config::default() },
        pull::Config { ack_policy: AckPolicy::None, ..pull::Config::default() },
    ] {
        let odd = pull::Config { durable_name: Some(usage_spec().name.to_owned()), ..odd };
        stream.create_consumer(odd).await.unwrap();
        let mut consumer = world.bus.consume(usage_spec()).await.unwrap();
        assert_eq!(next(&mut consumer).await.payload, "before");
        drop(consumer);
        stream.delete_consumer(usage_spec().name).await.unwrap();
    }
}

/// A machine that loses power keeps the consumer's state and loses the stream's last messages.
#[tokio::test]
async fn a_consumer_that_is_further_than_its_stream_begins_again() {
    let world = NatsWorld::start().await;
    let bus = impatient(&world.server).await;
    let mut consumer = bus.consume(usage_spec()).await.unwrap();
    let handled = async |ids: &[&str], consumer: &mut maas_bus::Consumer| {
        for id in ids {
            bus.deliver(message(id)).await.unwrap();
            let received = next(consumer).await;
            assert_eq!(received.payload, *id);
            received.ack().await.unwrap();
        }
    };
    handled(&["one"], &mut consumer).await;
    world.server.stop().await.unwrap();
    let messages = stream_folder(&world.server.store_dir()).join("msgs");
    let copy = world.server.store_dir().with_extension("copy");
    copy_folder(&messages, &copy);
    world.restart().await;
    until("connected again", async || bus.is_connected().then_some(())).await;
    handled(&["two", "three", "four"], &mut consumer).await;

    world.server.stop().await.unwrap();
    std::fs::remove_dir_all(&messages).unwrap();
    std::fs::rename(&copy, &messages).unwrap();
    world.restart().await;
    until("connected again", async || bus.is_connected().then_some(())).await;
    bus.deliver(message("the second, again")).await.unwrap();
    until("the new message", async || (next(&mut consumer).await.payload == "the second, again").then_some(())).await;
}

fn stream_folder(store: &Path) -> std::path::PathBuf {
    store.join("jetstream").join("$G").join("streams").join(topic::USAGE_STREAM)
}

/// Acknowledged messages are gone, and their numbers are given to others: no new message may be taken for an old one.
#[tokio::test]
async fn a_rolled_back_store_hides_no_new_message() {
    let world = NatsWorld::start().await;
    let mut consumer = world.bus.consume(usage_spec()).await.unwrap();
    let store = async |ids: std::ops::Range<u32>| {
        for id in ids {
            soon("the delivery", deliver_until_stored(&world.bus, message(&format!("{id:02}")))).await.unwrap();
        }
    };
    store(0..5).await;
    for id in 0..5 {
        let received = next(&mut consumer).await;
        assert_eq!(received.payload, format!("{id:02}"));
        received.ack().await.unwrap();
    }
    world.server.stop().await.unwrap();
    let (folder, copy) = (world.server.store_dir(), world.server.store_dir().with_extension("copy"));
    copy_folder(&folder, &copy);
    world.restart().await;
    store(5..10).await;

    world.kill_and_wipe();
    std::fs::rename(&copy, &folder).unwrap();
    world.restart().await;
    store(10..15).await;
    let last = usage_stream(&world.server).await.cached_info().state.last_sequence;
    assert_eq!(last, 10, "the numbers of 5 to 9 are used again");
    let mut seen = std::collections::BTreeSet::new();
    until("all that the store holds", async || {
        let received = next(&mut consumer).await;
        seen.insert(String::from_utf8(received.payload.to_vec()).unwrap());
        received.ack().await.unwrap();
        (10..15).all(|id| seen.contains(&format!("{id:02}"))).then_some(())
    })
    .await;
}
