//! The same over a real JetStream: two replicas share the work, the server restarts in between.

use std::{sync::Arc, time::Duration};

use maas_bus::{NatsBus, NatsConfig, SharedBus};
use maas_testkit::{NatsServer, eventually};

use crate::{
    producer::{event, events, heartbeat, source},
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
