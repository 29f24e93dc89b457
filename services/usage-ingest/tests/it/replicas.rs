//! Several replicas over one JetStream and one Postgres, of which one dies at any point of its work.

use std::{sync::Arc, time::Duration};

use maas_bus::{BusError, NatsBus, NatsConfig, SharedBus};
use maas_events::Delivery;
use maas_testkit::{NatsServer, eventually};
use sea_orm::ConnectionTrait as _;

use crate::{
    api::get,
    producer::{event, events, heartbeat, source},
    world::{Engine, World, now},
};

const PATIENCE: Duration = Duration::from_secs(60);
const BATCHES: u64 = 60;
const BATCH: u64 = 10;

async fn connect(server: &NatsServer) -> SharedBus {
    Arc::new(NatsBus::connect(NatsConfig::new(server.url(), "usage-test")).await.unwrap())
}

/// A replica with threads of its own, so that it can end at any instruction that waits: nothing of it is finished, its
/// connections break, its transactions are rolled back by the server.
pub struct Replica {
    runtime: tokio::runtime::Runtime,
}

impl Replica {
    pub async fn start(beside: &World, server: &NatsServer) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (home, url) = (beside.home.clone(), server.url());
        let started = runtime.spawn(async move {
            let bus = NatsBus::connect(NatsConfig::new(url, "usage-test")).await.unwrap();
            let world = World::in_shared_home(home).await.on_bus(Arc::new(bus));
            let service = world.start().await;
            // It lives until its runtime ends.
            std::mem::forget((world, service));
        });
        started.await.unwrap();
        Self { runtime }
    }

    pub fn kill(self) {
        self.runtime.shutdown_background();
    }
}

fn batch(number: u64) -> Delivery {
    events(&source(1), (1..=BATCH).map(|offset| event(number * BATCH + offset, now())).collect())
}

/// Until it is stored: while the server is away nothing is known about the outcome.
pub async fn deliver(bus: &SharedBus, message: Delivery) {
    let delivered = || async {
        match bus.deliver(message.clone()).await {
            Ok(()) => Some(()),
            Err(BusError::Unavailable(_)) => None,
            Err(error) => panic!("{error}"),
        }
    };
    eventually(PATIENCE, delivered).await;
}

#[actix_web::test]
async fn a_replica_that_is_killed_in_the_middle_loses_and_doubles_nothing() {
    let server = NatsServer::start().await.unwrap();
    let survivor = World::idle(Engine::Postgres).await.on_bus(connect(&server).await);
    survivor.bus.provision().await.unwrap();
    let mut victim = Replica::start(&survivor, &server).await;
    let service = survivor.start().await;
    for number in 0..BATCHES {
        deliver(&survivor.bus, batch(number)).await;
        // Each dies with work in its hands, and another one takes its place.
        if number % 15 == 10 {
            std::mem::replace(&mut victim, Replica::start(&survivor, &server).await).kill();
        }
    }
    victim.kill();
    deliver(&survivor.bus, heartbeat(&source(1), BATCHES * BATCH, None, now())).await;

    // What the dead had taken comes again after its `ack_wait`.
    let all = || async { (survivor.event_count().await == BATCHES * BATCH).then_some(()) };
    eventually(PATIENCE, all).await;
    assert_eq!(survivor.watermark(&source(1)).await.unwrap().committed_through, BATCHES * BATCH);
    assert_eq!(survivor.quarantined().await, []);
    let booked = i64::try_from(BATCHES * BATCH).unwrap();
    assert_eq!(survivor.books().await.ledger[0].cost_nanos, booked * 1_500);
    let proof = get(&service, "reconciliation?day=2026-11-20").await;
    assert_eq!(
        (proof["proofs"][0]["equal"].clone(), proof["totals"]["missing_events"].clone()),
        (true.into(), 0.into())
    );
}

#[actix_web::test]
async fn a_database_that_does_not_answer_is_not_ready() {
    let world = World::idle(Engine::Postgres).await;
    let _service = world.start().await;
    let database_is = |state: &'static str| {
        let world = &world;
        async move {
            let checks = world.process.readiness.snapshot();
            let database = checks.iter().find(|check| check.name == "usage.database").unwrap();
            let is_ok = database.state.is_ok();
            (is_ok == (state == "there")).then_some(())
        }
    };
    eventually(PATIENCE, || database_is("there")).await;
    let silent = world.database.begin().await.unwrap();
    silent.execute_unprepared("LOCK TABLE usage_sources IN ACCESS EXCLUSIVE MODE").await.unwrap();
    eventually(PATIENCE, || database_is("away")).await;
    silent.rollback().await.unwrap();
    eventually(PATIENCE, || database_is("there")).await;
}
