use std::{sync::Arc, time::Duration};

use maas_bus::{Bus, BusError, NatsBus, NatsConfig};
use maas_events::{Bucket, Delivery, topic};
use maas_testkit::nats::NatsServer;

use crate::world::{NatsWorld, message, usage_spec, value};

async fn connect(config: NatsConfig) -> Arc<NatsBus> {
    Arc::new(NatsBus::connect(config).await.unwrap())
}

#[tokio::test]
async fn missing_stream_is_named() {
    let world = NatsWorld::start_unprovisioned().await;
    let missing = world.bus.check_provisioned().await;
    assert!(matches!(missing, Err(BusError::NotProvisioned { stream, .. }) if stream == topic::USAGE_STREAM));
    let refused = world.bus.deliver(message("one")).await;
    assert!(matches!(refused, Err(BusError::NotProvisioned { stream, .. }) if stream == topic::USAGE_STREAM));
    let refused = world.bus.deliver(value("aa", 1, "value")).await;
    assert!(matches!(refused, Err(BusError::NotProvisioned { stream, .. }) if stream == Bucket::Keys.stream()));
    let refused = world.bus.consume(usage_spec()).await.map(|_| ());
    assert!(matches!(refused, Err(BusError::NotProvisioned { stream, .. }) if stream == topic::USAGE_STREAM));
}

#[tokio::test]
async fn provisioning_twice_changes_nothing() {
    let world = NatsWorld::start().await;
    world.bus.deliver(value("aa", 1, "value")).await.unwrap();
    world.bus.provision().await.unwrap();
    world.bus.check_provisioned().await.unwrap();
}

#[tokio::test]
async fn differing_stream_is_noticed_and_repaired_by_provisioning() {
    let world = NatsWorld::start().await;
    let config = NatsConfig::new(world.server.url(), "contract-test");
    let other = connect(NatsConfig { usage_max_age: Duration::from_secs(3600), ..config }).await;
    match other.check_provisioned().await {
        Err(BusError::NotProvisioned { stream, problem }) => {
            assert_eq!(stream, topic::USAGE_STREAM);
            assert!(problem.starts_with("max_age"), "{problem}");
        }
        outcome => panic!("expected a difference, got {outcome:?}"),
    }
    other.provision().await.unwrap();
    other.check_provisioned().await.unwrap();
    assert!(world.bus.check_provisioned().await.is_err());
}

#[tokio::test]
async fn full_usage_stream_is_unavailable_not_refused() {
    let server = NatsServer::start().await.unwrap();
    let bus = connect(NatsConfig { usage_max_bytes: 1024, ..NatsConfig::new(server.url(), "contract-test") }).await;
    bus.provision().await.unwrap();
    let large = |id: &str| Delivery::Message {
        subject: topic::usage_subject(0),
        id: id.to_owned(),
        headers: Vec::new(),
        payload: vec![0; 600].into(),
    };
    bus.deliver(large("fits")).await.unwrap();
    let outcome = bus.deliver(large("does not fit")).await;
    assert!(matches!(outcome, Err(BusError::Unavailable(_))), "{outcome:?}");
}

#[tokio::test]
async fn server_that_is_away_at_start_fails_at_once() {
    let server = NatsServer::start().await.unwrap();
    server.kill().unwrap();
    let failed = NatsBus::connect(NatsConfig::new(server.url(), "contract-test")).await.map(|_| ());
    assert!(matches!(failed, Err(BusError::Unavailable(problem)) if problem.contains(&server.url())));
}
