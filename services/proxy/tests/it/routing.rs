//! Upstreams that fail are left alone and come back, other models stand in, and everybody can see how it is.

use maas_bus::Bus as _;
use maas_events::{
    state::{Circuit, ModelState, UpstreamHealth, UpstreamHealthReport, UpstreamState},
    topic::UPSTREAM_HEALTH_SUBJECT,
};
use maas_runtime::config::HumanDuration;
use maas_testkit::{
    SimulatedUpstream, eventually,
    upstream::{Behaviour, ErrorAnswer, Operation},
};
use prost::Message as _;

use crate::{
    fixtures,
    http::PATIENCE,
    world::{SHORTLY, Setup, World},
};

/// A world with the model `pair`: `preferred`, and the world's own upstream when that should not be called.
struct Pair {
    world: World,
    preferred: SimulatedUpstream,
}

impl Pair {
    async fn start(behaviour: Behaviour) -> Self {
        Self::with(behaviour, |_| {}, HumanDuration::from_secs(60)).await
    }

    /// `change` edits the preferred upstream in the catalogue; an open circuit stays so for `ejection`.
    async fn with(
        behaviour: Behaviour,
        change: impl FnOnce(&mut UpstreamState) + 'static,
        ejection: HumanDuration,
    ) -> Self {
        let preferred = SimulatedUpstream::start_with(behaviour).unwrap();
        let preferred_url = preferred.base_url();
        let pair = move |own_url: &str| {
            let mut first = fixtures::upstream(&preferred_url, "sim-chat");
            change(&mut first);
            let second = UpstreamState { priority: 1, ..fixtures::upstream(own_url, "sim-chat") };
            fixtures::model("pair", vec![first, UpstreamState { name: "second".to_owned(), ..second }])
        };
        let setup = Setup {
            models: vec![Box::new(pair)],
            settings: vec![Box::new(move |settings| {
                settings.routing.ejection = ejection;
                settings.routing.check_interval = SHORTLY;
            })],
            ..Setup::default()
        };
        Self { world: World::with(setup).await, preferred }
    }

    async fn answers(&self, requests: usize) {
        for number in 0..requests {
            let answer = self.world.chat("pair", "").send().await;
            assert_eq!(answer.status, 200, "request {number}: {}", answer.text());
        }
    }

    /// Chat requests that the preferred upstream got.
    fn calls(&self) -> u64 {
        self.preferred.counters().requests_of(Operation::ChatCompletions)
    }
}

fn failing(error: ErrorAnswer) -> Behaviour {
    Behaviour { error: Some(error), ..Behaviour::default() }
}

#[tokio::test]
async fn an_upstream_that_fails_is_left_alone_and_no_client_notices() {
    for error in [ErrorAnswer::Internal, ErrorAnswer::Unauthorized, ErrorAnswer::Disconnect, ErrorAnswer::Overloaded] {
        let pair = Pair::start(failing(error)).await;
        pair.answers(12).await;
        assert_eq!(pair.calls(), 5, "{error:?}");
    }
}

#[tokio::test]
async fn it_gets_requests_again_once_it_is_back() {
    let pair = Pair::with(failing(ErrorAnswer::Internal), |_| {}, SHORTLY).await;
    pair.answers(6).await;
    pair.preferred.set_behaviour(Behaviour::default());
    eventually(PATIENCE, || async {
        let before = pair.calls();
        pair.answers(3).await;
        (pair.calls() == before + 3).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_rate_limited_upstream_gets_the_pause_that_it_asks_for() {
    let limited = Behaviour { retry_after_seconds: 60, ..failing(ErrorAnswer::RateLimited) };
    let pair = Pair::start(limited).await;
    pair.answers(5).await;
    assert_eq!(pair.calls(), 1);
}

#[tokio::test]
async fn an_upstream_that_fails_its_checks_gets_no_request_until_they_pass() {
    let sick = Behaviour { health_status: 503, ..Behaviour::default() };
    let checked = |upstream: &mut UpstreamState| upstream.health_path = "/health".to_owned();
    let pair = Pair::with(sick, checked, HumanDuration::from_secs(60)).await;
    eventually(PATIENCE, || async {
        let before = pair.calls();
        pair.answers(1).await;
        (pair.calls() == before).then_some(())
    })
    .await;
    let before = pair.calls();
    pair.answers(5).await;
    assert_eq!(pair.calls(), before);
    pair.preferred.set_healthy(true);
    eventually(PATIENCE, || async {
        let before = pair.calls();
        pair.answers(1).await;
        (pair.calls() > before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_only_upstream_is_called_however_often_it_failed() {
    let world = World::start().await;
    for _ in 0..10 {
        assert_eq!(world.chat("chat", "error-html-page").send().await.status, 502);
    }
    assert_eq!(world.chat("chat", "").send().await.status, 200);
}

#[tokio::test]
async fn a_fallback_answers_under_the_name_that_was_asked_for() {
    let fallen = |_: &str| {
        let dead = fixtures::upstream(fixtures::DEAD, "sim-chat");
        let fallbacks = ["unheard-of", "restricted", "fallen", "chat"].map(str::to_owned).to_vec();
        ModelState { fallbacks, ..fixtures::model("fallen", vec![dead]) }
    };
    let world = World::with_model(fallen).await;
    let answer = world.chat("fallen", "").id("fallen").send().await;
    assert_eq!((answer.status, answer.json()["model"].as_str()), (200, Some("fallen")));
    let event = world.event("fallen").await;
    assert_eq!(event.attempts.last().map(|attempt| attempt.kind.as_str()), Some("fallback"));
}

#[tokio::test]
async fn a_request_that_is_too_long_goes_to_a_model_named_for_that() {
    let short = |url: &str| {
        let short = fixtures::upstream(url, "sim-chat+error-context-overflow");
        let context_fallbacks = vec!["chat".to_owned()];
        let fallbacks = vec!["dead".to_owned()];
        ModelState { context_fallbacks, fallbacks, ..fixtures::model("short", vec![short]) }
    };
    let world = World::with_model(short).await;
    let answer = world.chat("short", "").id("short").send().await;
    assert_eq!((answer.status, answer.json()["model"].as_str()), (200, Some("short")));
    assert_eq!(world.event("short").await.attempts.len(), 2);
}

#[tokio::test]
async fn circuits_are_told_on_the_bus_and_shown_in_the_metrics() {
    let pair = Pair::start(failing(ErrorAnswer::Internal)).await;
    let mut reports = pair.world.bus.listen(UPSTREAM_HEALTH_SUBJECT).await.unwrap();
    pair.answers(6).await;
    let open = tokio::time::timeout(PATIENCE, async {
        loop {
            let report = UpstreamHealthReport::decode(reports.recv().await.unwrap()).unwrap();
            assert_eq!(report.instance.len(), 16);
            let is_open = |upstream: &UpstreamHealth| upstream.circuit() == Circuit::Open;
            if let Some(open) = report.upstreams.into_iter().find(is_open) {
                return open;
            }
        }
    });
    let open = open.await.unwrap();
    assert_eq!((open.last_failure.as_str(), open.consecutive_failures), ("failed", 5));
    assert!(open.open_until_ms > open.last_failure_ms);
    let metrics = pair.world.process.metrics.render().unwrap();
    for (upstream, value) in [("first", 1), ("second", 0)] {
        let line = format!("maas_proxy_upstream_circuit_open{{model=\"pair\",upstream=\"{upstream}\"}} {value}");
        assert!(metrics.contains(&line), "{line}");
    }
}
