//! What the server has handed out reaches somebody, whatever happened to the connection: it is not left to `ack_wait`.

use std::{collections::BTreeSet, time::Duration};

use maas_bus::{Consumer, ConsumerSpec};
use maas_testkit::Signal;

use crate::world::{NatsWorld, deliver_until_stored, message, next, soon, until, usage_spec, with_payload};

/// Longer than a request for messages may go without a sign of life.
const OUTAGE: Duration = Duration::from_secs(6);

/// Nothing that was handed out and forgotten comes again within a test's patience.
fn patient_spec() -> ConsumerSpec {
    ConsumerSpec { ack_wait: Duration::from_secs(120), max_in_flight: 64, ..usage_spec() }
}

fn ids() -> BTreeSet<String> {
    (0..20).map(|number| format!("message-{number:02}")).collect()
}

async fn receive_all(consumer: &mut Consumer) {
    let mut missing = ids();
    while !missing.is_empty() {
        let received = next(consumer).await;
        missing.remove(std::str::from_utf8(&received.payload).unwrap());
        received.ack().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_stored_right_after_a_long_outage_comes_at_once() {
    let world = NatsWorld::start().await;
    let mut consumer = world.bus.consume(patient_spec()).await.unwrap();
    world.server.kill().unwrap();
    until("the loss is noticed", async || (!world.bus.is_connected()).then_some(())).await;
    tokio::time::sleep(OUTAGE).await;
    let deliveries: Vec<_> = ids().iter().map(|id| deliver_until_stored(&world.bus, message(id))).collect();
    world.restart().await;
    for delivery in deliveries {
        soon("the delivery", delivery).await.unwrap();
    }
    receive_all(&mut consumer).await;
}

#[tokio::test]
async fn what_a_server_hands_out_after_a_freeze_comes_at_once() {
    let world = NatsWorld::start().await;
    let mut consumer = world.bus.consume(patient_spec()).await.unwrap();
    // Until the first message is here, nobody can say that anything has been asked for.
    world.bus.deliver(message("before")).await.unwrap();
    next(&mut consumer).await.ack().await.unwrap();
    world.server.signal(Signal::Stop).unwrap();
    // They wait in the server's socket, and so does whatever the consumer asks for meanwhile.
    let deliveries: Vec<_> = ids().iter().map(|id| deliver_until_stored(&world.bus, message(id))).collect();
    tokio::time::sleep(OUTAGE).await;
    world.server.signal(Signal::Continue).unwrap();
    receive_all(&mut consumer).await;
    for delivery in deliveries {
        soon("the delivery", delivery).await.unwrap();
    }
}

#[tokio::test]
async fn what_a_leaving_process_had_fetched_goes_to_another_at_once() {
    let world = NatsWorld::start().await;
    let leaving = world.bus.consume(patient_spec()).await.unwrap();
    for id in ids() {
        world.bus.deliver(message(&id)).await.unwrap();
    }
    let fetched = async || {
        let status = world.bus.consumer_status(&patient_spec()).await.unwrap();
        (status.unacknowledged == ids().len() as u64).then_some(())
    };
    until("all are fetched", fetched).await;
    drop(leaving);
    receive_all(&mut world.bus.consume(patient_spec()).await.unwrap()).await;
}

#[tokio::test]
async fn a_process_holds_no_more_bytes_than_it_may() {
    const MOST_HELD: u64 = 64 << 20;
    const LARGE: u64 = 1_000_000;
    let world = NatsWorld::start().await;
    let mut consumer = world.bus.consume(ConsumerSpec { max_in_flight: 1_000, ..patient_spec() }).await.unwrap();
    for number in 0..80 {
        world.bus.deliver(with_payload(&format!("large-{number}"), vec![0; LARGE as usize].into())).await.unwrap();
    }
    let mut held = Vec::new();
    // As many as come without an acknowledgement.
    while let Ok(message) = tokio::time::timeout(Duration::from_secs(2), consumer.next()).await {
        held.push(message.unwrap());
    }
    let unacknowledged = world.bus.consumer_status(&patient_spec()).await.unwrap().unacknowledged;
    assert!((16..=MOST_HELD / LARGE).contains(&unacknowledged), "{unacknowledged} messages are out");
    for _ in 0..80 {
        let message = if held.is_empty() { next(&mut consumer).await } else { held.remove(0) };
        message.ack().await.unwrap();
    }
}
