use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use maas_events::{
    state::{Circuit, ModelState, UpstreamHealth, UpstreamHealthReport},
    topic::UPSTREAM_HEALTH_SUBJECT,
};
use maas_testkit::eventually;
use maas_types::{FixedClock, Timestamp};
use prost::Message as _;
use serde_json::{Value, json};

use crate::world::{PATIENCE, World, settings};

const NOW_MS: i64 = 1_763_630_998_000;

/// A model with two upstreams, one of them a mirror, and the path of its health.
struct Served {
    world: World,
    path: String,
    serving: Bytes,
    mirror: Bytes,
}

impl Served {
    /// Once the service listens: what is broadcast before that is lost.
    async fn new(clock: &Arc<FixedClock>) -> Self {
        let world = World::at(clock.clone(), settings()).await;
        let url = "http://127.0.0.1:9";
        let (sounding, _) = Self::model(&world, "sounding", json!([{"base_url": url}])).await;
        let upstreams = json!([{"base_url": url}, {"base_url": url, "mirror": true}]);
        let (path, state) = Self::model(&world, "m", upstreams).await;
        let id_of = |mirror| state.upstreams.iter().find(|found| found.mirror == mirror).unwrap().id.clone();
        let served = Self { path, serving: id_of(false), mirror: id_of(true), world };
        let sounded = served.world.state_where("sounding", |_| true).await.upstreams.remove(0).id;
        eventually(PATIENCE, || async {
            served.report(&report(9, &sounded, Circuit::Closed)).await;
            let health = served.world.get("admin", &sounding).await.json();
            (health["status"] == "ok").then_some(())
        })
        .await;
        served
    }

    /// The path of its health, and what the proxies know of it.
    async fn model(world: &World, name: &str, upstreams: Value) -> (String, ModelState) {
        let model = world.post("/api/v1/models", json!({"name": name, "upstreams": upstreams})).await.json();
        let path = format!("/api/v1/models/{}/health", model["id"].as_str().unwrap());
        (path, world.state_where(name, |_| true).await)
    }

    async fn health(&self) -> Value {
        let reply = self.world.get("admin-readonly", &self.path).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()
    }

    async fn report(&self, report: &UpstreamHealthReport) {
        self.world.bus.broadcast(UPSTREAM_HEALTH_SUBJECT, report.encode_to_vec().into()).await.unwrap();
    }

    /// What is known once the report has been heard.
    async fn health_after(&self, report: &UpstreamHealthReport, is_heard: impl Fn(&Value) -> bool) -> Value {
        self.report(report).await;
        eventually(PATIENCE, || async { Some(self.health().await).filter(|health| is_heard(health)) }).await
    }
}

fn clock() -> Arc<FixedClock> {
    Arc::new(FixedClock::at(Timestamp::from_unix_ms(NOW_MS)))
}

fn report(proxy: u8, upstream: &Bytes, circuit: Circuit) -> UpstreamHealthReport {
    let health = UpstreamHealth { upstream_id: upstream.clone(), circuit: circuit.into(), ..Default::default() };
    UpstreamHealthReport { instance: vec![proxy; 16].into(), sent_at_ms: NOW_MS, upstreams: vec![health] }
}

/// The upstream that serves, or the mirror; made in the same millisecond, they come in any order.
fn upstream(health: &Value, mirror: bool) -> &Value {
    let upstreams = health["upstreams"].as_array().unwrap();
    upstreams.iter().find(|upstream| upstream["mirror"] == mirror).unwrap()
}

/// How many proxies report the upstream that serves, or the mirror.
fn proxies(health: &Value, mirror: bool) -> usize {
    upstream(health, mirror)["proxies"].as_array().unwrap().len()
}

#[actix_web::test]
async fn administrators_see_what_the_proxies_report() {
    let served = Served::new(&clock()).await;
    assert_eq!(served.health().await["status"], "unknown");
    let healthy =
        served.health_after(&report(2, &served.serving, Circuit::Closed), |health| proxies(health, false) == 1).await;
    assert_eq!((&healthy["status"], &upstream(&healthy, false)["circuit"]), (&json!("ok"), &json!("closed")));

    let mut bad = report(1, &served.serving, Circuit::Open);
    bad.upstreams[0] = UpstreamHealth {
        open_until_ms: NOW_MS + 5_000,
        consecutive_failures: 4,
        in_flight: 1,
        last_failure_ms: NOW_MS - 1_000,
        last_failure: "timeout".to_owned(),
        check_passed: Some(false),
        ..bad.upstreams[0].clone()
    };
    let health = served.health_after(&bad, |health| proxies(health, false) == 2).await;
    // The worst of the two counts, and it is the only upstream that answers clients.
    assert_eq!((&health["status"], &upstream(&health, false)["circuit"]), (&json!("down"), &json!("open")));
    let expected = json!({
        "instance": "01010101010101010101010101010101", "circuit": "open", "open_until": "2025-11-20T09:30:03.000Z",
        "consecutive_failures": 4, "in_flight": 1, "last_success": null, "last_failure": "2025-11-20T09:29:57.000Z",
        "last_failure_reason": "timeout", "check": "failed", "reported_at": "2025-11-20T09:29:58.000Z"
    });
    assert_eq!(upstream(&health, false)["proxies"][0], expected);
    assert_eq!(upstream(&health, true)["circuit"], "unknown");
}

#[actix_web::test]
async fn a_mirror_that_fails_leaves_its_model_well() {
    let served = Served::new(&clock()).await;
    served.health_after(&report(1, &served.serving, Circuit::Closed), |health| proxies(health, false) == 1).await;
    let health =
        served.health_after(&report(1, &served.mirror, Circuit::Open), |health| proxies(health, true) == 1).await;
    assert_eq!((&health["status"], &upstream(&health, true)["circuit"]), (&json!("ok"), &json!("open")));
}

#[actix_web::test]
async fn a_silent_proxy_is_forgotten_after_30_seconds() {
    let clock = clock();
    let served = Served::new(&clock).await;
    served.health_after(&report(1, &served.serving, Circuit::Open), |health| proxies(health, false) == 1).await;
    clock.advance(Duration::from_millis(29_999));
    assert_eq!(served.health().await["status"], "down");
    clock.advance(Duration::from_millis(1));
    let health = served.health().await;
    assert_eq!((&health["status"], proxies(&health, false)), (&json!("unknown"), 0));
}

#[actix_web::test]
async fn a_report_that_cannot_be_believed_is_skipped_and_the_next_is_heard() {
    let served = Served::new(&clock()).await;
    let mut talkative = report(1, &served.serving, Circuit::Open);
    talkative.upstreams[0].last_failure = "the model said: hello".to_owned();
    for payload in [talkative.encode_to_vec(), b"nonsense".to_vec()] {
        served.world.bus.broadcast(UPSTREAM_HEALTH_SUBJECT, payload.into()).await.unwrap();
    }
    let good = report(2, &served.serving, Circuit::HalfOpen);
    let health = served.health_after(&good, |health| proxies(health, false) > 0).await;
    assert_eq!((&health["status"], proxies(&health, false)), (&json!("degraded"), 1));
}

#[actix_web::test]
async fn health_is_for_administrators_and_of_models_that_exist() {
    let served = Served::new(&clock()).await;
    for (role, status) in [("", 401), ("user", 403), ("admin-readonly", 200), ("admin", 200)] {
        assert_eq!(served.world.get(role, &served.path).await.status, status, "{role}");
    }
    for id in ["mdl_00000000000000000000000000000000", "m"] {
        let path = format!("/api/v1/models/{id}/health");
        assert_eq!(served.world.get("admin", &path).await.status, 404, "{id}");
        assert_eq!(served.world.get("user", &path).await.status, 403, "{id}");
    }
}
