//! Usage events: one for each admitted request, with the right numbers.

use std::sync::atomic::Ordering;

use maas_events::usage::{Heartbeat, Quality, UsageEvent};
use maas_runtime::config::HumanDuration;
use maas_testkit::eventually;

use crate::{
    fixtures::{self, PRICE, id_bytes},
    http::PATIENCE,
    ingest::{Books, Ingest},
    world::{COST_OF_FIVE_AND_FOUR, Setup, World},
};

fn counts(event: &UsageEvent) -> (u64, u64) {
    let tokens = event.tokens.unwrap_or_default();
    (tokens.input, tokens.output)
}

#[tokio::test]
async fn a_success_is_booked_with_what_the_upstream_reported() {
    let world = World::start().await;
    world.chat("gpt-alias", "").id("whole").send().await;
    world.stream("chat", "").id("streamed").send().await;
    for (id, stream) in [("whole", false), ("streamed", true)] {
        let event = world.event(id).await;
        assert_eq!((counts(&event), event.quality()), ((5, 4), Quality::Exact), "{id}");
        assert_eq!((event.outcome.as_str(), event.status, event.error_code.as_str()), ("success", 200, ""));
        assert_eq!((event.cost_nanos, event.currency.as_str()), (COST_OF_FIVE_AND_FOUR, "USD"));
        assert_eq!((event.price_id.clone(), event.stream, event.operation.as_str()), (id_bytes(PRICE), stream, "chat"));
        assert_eq!(
            (event.model.as_str(), event.upstream.as_str(), event.provider.as_str()),
            ("chat", "first", "simulated")
        );
        assert!(event.first_byte_us.unwrap() <= event.completed_us.unwrap());
        assert_eq!(event.key_id, world.key_state.id);
        assert_eq!(event.attempts.len(), 1);
    }
    assert_eq!(world.finish().await.len(), 2);
}

#[tokio::test]
async fn what_is_not_reported_is_estimated() {
    let world = World::start().await;
    world.chat("chat", "usage-missing").id("whole").send().await;
    world.stream("chat", "usage-missing").id("streamed").send().await;
    world.chat("chat", "usage-huge").id("huge").send().await;
    world
        .post("/v1/embeddings", &serde_json::json!({"model": "embed", "input": "a b", "user": "sim:usage-missing"}))
        .id("embedding")
        .send()
        .await;
    for id in ["whole", "streamed", "huge", "embedding"] {
        let event = world.event(id).await;
        assert_eq!((event.quality(), event.outcome.as_str()), (Quality::Estimated, "success"), "{id}");
        assert!(counts(&event).0 > 0 && event.cost_nanos > 0, "{id}: {event:?}");
        assert_eq!(counts(&event).1 > 0, id != "embedding", "{id}");
    }
}

#[tokio::test]
async fn a_model_without_a_price_costs_nothing_and_says_so() {
    let world = World::start().await;
    world.chat("unpriced", "").id("free").send().await;
    let event = world.event("free").await;
    assert_eq!((counts(&event), event.cost_nanos, event.price_id.len()), ((5, 4), 0, 0));
}

#[tokio::test]
async fn every_admitted_request_has_one_event_and_no_other_has_any() {
    let world = World::start().await;
    let mut admitted = 0;
    for round in 0..20 {
        let modifier = ["", "error-internal", "usage-missing", "fault-cut"][round % 4];
        world.chat("chat", modifier).send().await;
        world.stream("chat", modifier).send().await;
        world.chat("unheard-of", "").send().await;
        world.get("/v1/models").key(world.key.expose()).send().await;
        admitted += 2;
    }
    assert_eq!(world.finish().await.len(), admitted);
}

#[tokio::test]
async fn the_longest_texts_fit_a_record() {
    // Three bytes a letter, as long as anything may be.
    let long = "語".repeat(255);
    let name = long.clone();
    let setup = Setup {
        settings: vec![Box::new(|settings| settings.routing.attempts = 20)],
        models: vec![Box::new(move |url: &str| {
            let upstream = |base_url: &str, priority| maas_events::state::UpstreamState {
                name: name.clone(),
                provider: name.clone(),
                priority,
                ..fixtures::upstream(base_url, "sim-chat")
            };
            let mut upstreams: Vec<_> = (0..9).map(|priority| upstream(fixtures::DEAD, priority)).collect();
            upstreams.push(upstream(url, 9));
            fixtures::model(&name, upstreams)
        })],
        key: Some(Box::new(|key| {
            key.labels = (0..50).map(|number| (format!("label-{number}"), "v".repeat(63))).collect();
        })),
        ..Setup::default()
    };
    let world = World::with(setup).await;
    let request_id = "r".repeat(128);
    assert_eq!(world.chat(&long, "").id(&request_id).send().await.status, 200);
    let event = world.event(&request_id).await;
    assert_eq!((event.model.as_str(), counts(&event)), (long.as_str(), (5, 4)));
    assert!(!event.labels.is_empty() && !event.attempts.is_empty());
}

#[tokio::test]
async fn usage_waits_for_its_consumer_and_then_leaves_the_journal() {
    let keeps_nothing = |settings: &mut maas_proxy::ProxySettings| {
        settings.journal_retention = HumanDuration::from_millis(0);
    };
    let setup = Setup { without_ingest: true, settings: vec![Box::new(keeps_nothing)], ..Setup::default() };
    let world = World::with(setup).await;
    for number in 0..3 {
        assert_eq!(world.chat("chat", "").id(&format!("early-{number}")).send().await.status, 200);
    }
    let ingest = Ingest::start(&world.bus, world.books.clone()).await;
    world.event("early-2").await;
    assert_eq!(world.books.events().len(), 3);
    // Away and back.
    ingest.stop().await;
    world.chat("chat", "").id("late").send().await;
    Ingest::start(&world.bus, world.books.clone()).await;
    world.event("late").await;
    assert_eq!(world.finish().await.len(), 4);
    let segments = std::fs::read_dir(&world.journal_dir)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".seg"));
    assert_eq!(segments.count(), 0, "what is committed is deleted");
}

#[tokio::test]
async fn what_was_committed_and_lost_is_sent_again() {
    let world = World::with_settings(|settings| settings.resend_after = HumanDuration::from_millis(200)).await;
    world.books.forgetful.store(true, Ordering::Relaxed);
    world.chat("chat", "").id("lost").send().await;
    let deliveries = |books: &Books| books.sources().values().map(|source| source.deliveries).sum::<u64>();
    eventually(PATIENCE, || std::future::ready((deliveries(&world.books) >= 3).then_some(()))).await;
    world.books.forgetful.store(false, Ordering::Relaxed);
    assert_eq!(world.finish().await.len(), 1);
}

#[tokio::test]
async fn under_load_with_clients_that_leave_every_request_of_the_upstream_is_booked_once() {
    let world = World::start().await;
    let client = |number: u64| {
        let request = match number % 4 {
            0 => world.chat("chat", "delay-20"),
            1 => world.stream("chat", "drip"),
            2 => world.stream("failover", "chunk-delay-5"),
            _ => world.stream_with_usage("chat", "usage-cumulative+chunk-delay-5"),
        };
        async move {
            let answering = request.send();
            if number.is_multiple_of(3) {
                // Leaves at whatever point this is.
                let _ = tokio::time::timeout(std::time::Duration::from_millis(number % 40), answering).await;
            } else {
                assert_eq!(answering.await.status, 200);
            }
        }
    };
    futures_util::future::join_all((0..150).map(client)).await;
    let events = world.finish().await;
    let counters = world.upstream.counters();
    assert!(events.len() as u64 >= counters.requests.values().sum::<u64>());
    let of = |outcome: &str| events.iter().filter(|event| event.outcome == outcome).count();
    assert!(of("success") >= 100, "{}", of("success"));
    assert_eq!(of("success") + of("client_cancelled"), events.len());
    let booked: i64 =
        events.iter().filter(|event| event.quality() == Quality::Exact).map(|event| event.cost_nanos).sum();
    let exact = events.iter().filter(|event| event.quality() == Quality::Exact).count() as i64;
    assert_eq!(booked, exact * COST_OF_FIVE_AND_FOUR);
    // Whatever was open is closed again.
    world.proxy.refresh_metrics();
    let metrics = world.process.metrics.render().unwrap();
    let in_flight = metrics.lines().filter(|line| line.starts_with("maas_proxy_requests_in_flight{"));
    assert!(in_flight.clone().count() > 0 && in_flight.clone().all(|line| line.ends_with(" 0")), "{metrics}");
    let requests = metrics.lines().filter(|line| line.starts_with("maas_proxy_requests_total{"));
    let counted: f64 = requests.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum();
    assert_eq!(counted as usize, events.len());
}

#[tokio::test]
async fn heartbeats_tell_what_is_open_and_what_was_settled() {
    let world = World::start().await;
    let heartbeat_becomes = async |open: u64, last_sequence: u64| {
        let wanted =
            |heartbeat: &Heartbeat| (heartbeat.open_requests, heartbeat.last_sequence) == (open, last_sequence);
        let find = || world.books.sources().into_values().find_map(|source| source.heartbeat.filter(wanted));
        eventually(PATIENCE, || std::future::ready(find())).await
    };
    let mut open = world.stream("chat", "fault-stall").id("open").open().await;
    open.until("steady").await;
    let while_open = heartbeat_becomes(1, 0).await;
    drop(open);
    assert_eq!(while_open.oldest_open_admission_ms, world.event("open").await.admitted_at_ms);
    assert_eq!(heartbeat_becomes(0, 1).await.oldest_open_admission_ms, 0);
}
