//! The same over a real JetStream: two replicas share the work, the server restarts in between, loses a message, or
//! its store is put back to an older copy.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use maas_bus::{NatsBus, NatsConfig, SharedBus};
use maas_events::{Delivery, topic::USAGE_STREAM, usage::UsageEvent};
use maas_testkit::{NatsServer, eventually};
use maas_types::{Clock as _, SystemClock};

use crate::{
    api::get,
    producer::{event, events, heartbeat, source},
    replicas::{Replica, deliver},
    world::{Engine, World, now},
};

const PATIENCE: Duration = Duration::from_secs(40);

async fn connect(server: &NatsServer) -> SharedBus {
    Arc::new(NatsBus::connect(NatsConfig::new(server.url(), "usage-test")).await.unwrap())
}

#[actix_web::test]
async fn two_replicas_and_a_restart_of_the_server_lose_and_double_nothing() {
    let server = NatsServer::start().await.unwrap();
    let first = World::idle(Engine::Postgres).await.on_bus(connect(&server).await);
    let second = first.beside().await.on_bus(connect(&server).await);
    first.bus.provision().await.unwrap();
    let _services = (first.start().await, second.start().await);

    let batch = |number: u64| (1..=10).map(|offset| event(number * 10 + offset, now())).collect::<Vec<_>>();
    for number in 0..10 {
        first.deliver_events(&source(1), batch(number)).await;
    }
    server.restart().await.unwrap();
    for number in 10..20 {
        let message = events(&source(1), batch(number));
        // While the server is away nothing is known about the outcome: the producer tries again.
        eventually(PATIENCE, || async { first.bus.deliver(message.clone()).await.ok() }).await;
    }
    let beat = heartbeat(&source(1), 200, None, now());
    eventually(PATIENCE, || async { first.bus.deliver(beat.clone()).await.ok() }).await;

    eventually(PATIENCE, || async { (first.watermark(&source(1)).await?.committed_through == 200).then_some(()) })
        .await;
    assert_eq!(first.event_count().await, 200);
    assert_eq!(first.books().await.ledger[0].cost_nanos, 200 * 1_500);
    assert_eq!(first.quarantined().await, []);
}

/// What a journal does when its events are not committed: it asks, and sends what is missing under a new message id.
async fn send_missing_again(world: &World, list: &[UsageEvent]) {
    let committed = world.watermark(&source(1)).await;
    let is_committed = |sequence: u64| {
        committed.as_ref().is_some_and(|watermark| {
            sequence <= watermark.committed_through
                || watermark.above.iter().any(|range| (range.first..=range.last).contains(&sequence))
        })
    };
    let missing: Vec<_> = list.iter().filter(|event| !is_committed(event.sequence)).cloned().collect();
    assert!(!missing.is_empty());
    let Delivery::Message { subject, id, headers, payload } = events(&source(1), missing) else { unreachable!() };
    world.bus.deliver(Delivery::Message { subject, id: format!("{id}:r1"), headers, payload }).await.unwrap();
}

async fn stream(server: &NatsServer) -> async_nats::jetstream::stream::Stream {
    let client = async_nats::connect(server.url()).await.unwrap();
    async_nats::jetstream::new(client).get_stream(USAGE_STREAM).await.unwrap()
}

async fn last_sequence(server: &NatsServer) -> u64 {
    stream(server).await.cached_info().state.last_sequence
}

#[actix_web::test]
async fn a_lost_message_is_noticed_within_ten_seconds_and_closed_by_a_resend_within_five() {
    let server = NatsServer::start().await.unwrap();
    let mut world = World::idle(Engine::Postgres).await.on_bus(connect(&server).await);
    world.process.clock = Arc::new(SystemClock);
    world.bus.provision().await.unwrap();
    let list: Vec<_> = (1..=30).map(|sequence| event(sequence, SystemClock.now())).collect();
    for part in list.chunks(10) {
        world.bus.deliver(events(&source(1), part.to_vec())).await.unwrap();
    }
    stream(&server).await.delete_message(2).await.unwrap();

    let _service = world.start().await;
    let announced = Instant::now();
    world.bus.deliver(heartbeat(&source(1), 30, None, SystemClock.now())).await.unwrap();
    let gauge = |line: &'static str| {
        let text = world.process.metrics.render().unwrap();
        async move { text.lines().any(|shown| shown == line).then_some(()) }
    };
    eventually(PATIENCE, || gauge("maas_usage_watermark_gap_events 10")).await;
    assert!(announced.elapsed() <= Duration::from_secs(10), "{:?}", announced.elapsed());

    let resent = Instant::now();
    send_missing_again(&world, &list).await;
    eventually(PATIENCE, || gauge("maas_usage_watermark_gap_events 0")).await;
    assert!(resent.elapsed() <= Duration::from_secs(5), "{:?}", resent.elapsed());
    assert_eq!((world.event_count().await, world.watermark(&source(1)).await.unwrap().committed_through), (30, 30));
}

#[actix_web::test]
async fn a_store_put_back_to_an_older_copy_loses_and_doubles_nothing() {
    let server = NatsServer::start().await.unwrap();
    let world = World::idle(Engine::Postgres).await.on_bus(connect(&server).await);
    world.bus.provision().await.unwrap();
    let list: Vec<_> = (1..=40).map(|sequence| event(sequence, now())).collect();
    let part = |number: usize| deliver(&world.bus, events(&source(1), list[number * 10..][..10].to_vec()));
    let booked = async |count: u64| {
        eventually(PATIENCE, || async { (world.event_count().await == count).then_some(()) }).await;
    };
    let first = Replica::start(&world, &server).await;
    part(0).await;
    booked(10).await;
    server.stop().await.unwrap();
    let (store, copy) = (server.store_dir(), server.store_dir().with_extension("copy"));
    copy_folder(&store, &copy);
    server.restart().await.unwrap();
    // Booked, and forgotten by the server in a moment.
    part(1).await;
    booked(20).await;
    first.kill();
    // Acknowledged by the server, and seen by nobody else.
    part(2).await;
    let last = last_sequence(&server).await;

    server.kill().unwrap();
    std::fs::remove_dir_all(&store).unwrap();
    std::fs::rename(&copy, &store).unwrap();
    server.restart().await.unwrap();
    part(3).await;
    let reused = last_sequence(&server).await;
    assert!(reused < last, "numbers are used again: {reused} after {last}");

    let service = world.start().await;
    deliver(&world.bus, heartbeat(&source(1), 40, None, now())).await;
    booked(30).await;
    let shown = get(&service, "reconciliation").await;
    assert_eq!(shown["data"][0]["committed_above"], serde_json::json!([{"first": 31, "last": 40}]));
    send_missing_again(&world, &list).await;
    booked(40).await;
    assert_eq!(world.watermark(&source(1)).await.unwrap().committed_through, 40);
    assert_eq!((world.books().await.ledger[0].cost_nanos, world.quarantined().await), (40 * 1_500, vec![]));
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}
