//! Mirrors: upstreams that get copies of real requests, on the platform's account, and that no client ever notices.

use std::time::{Duration, Instant};

use maas_events::{
    state::{ModelState, UpstreamState},
    usage::UsageEvent,
};
use maas_testkit::{SimulatedUpstream, eventually};
use maas_types::PLATFORM_USER;
use serde_json::json;

use crate::{
    fixtures::{self, OWNER, id_bytes},
    forms::{Form, TRANSCRIPTIONS},
    http::PATIENCE,
    stand_ins::StandIn,
    world::{COST_OF_FIVE_AND_FOUR, World},
};

const ALL: u32 = 100;

/// A model with a mirror that gets that share of its requests, in percent.
fn mirrored(url: &str, mirror: &str, share: u32) -> ModelState {
    let mirror = UpstreamState {
        mirror: true,
        weight: share,
        name: "mirror".to_owned(),
        first_byte_timeout_ms: 300,
        ..fixtures::upstream(mirror, "sim/llama-3.1-8b")
    };
    fixtures::model("mirrored", vec![fixtures::upstream(url, "sim-chat"), mirror])
}

async fn world(mirror: &SimulatedUpstream, share: u32) -> World {
    let mirror = mirror.base_url();
    World::with_model(move |url| mirrored(url, &mirror, share)).await
}

/// Both events of a request: the client's and the copy's.
async fn events(world: &World, request_id: &str) -> (UsageEvent, UsageEvent) {
    let find = || {
        let of_request = |event: &UsageEvent| event.request_id == request_id;
        let all: Vec<UsageEvent> = world.books.events().into_iter().filter(of_request).collect();
        let platform = id_bytes(PLATFORM_USER.uuid());
        let (copies, own): (Vec<_>, Vec<_>) = all.into_iter().partition(|event| event.user_id == platform);
        own.into_iter().next().zip(copies.into_iter().next())
    };
    eventually(PATIENCE, || std::future::ready(find())).await
}

#[tokio::test]
async fn a_mirror_gets_a_copy_on_the_platforms_account() {
    let mirror = SimulatedUpstream::start().unwrap();
    let world = world(&mirror, ALL).await;
    for streamed in [false, true] {
        let id = format!("copied-{streamed}");
        let request = if streamed { world.stream("mirrored", "") } else { world.chat("mirrored", "") };
        assert_eq!(request.id(&id).send().await.status, 200);
        let (own, copy) = events(&world, &id).await;
        assert_eq!((own.user_id.clone(), own.key_id.clone()), (id_bytes(OWNER), world.key_state.id.clone()));
        assert_eq!((own.upstream.as_str(), own.cost_nanos, own.attempts.len()), ("first", COST_OF_FIVE_AND_FOUR, 1));
        assert!(copy.key_id.is_empty() && copy.team_id.is_empty(), "{copy:?}");
        assert_eq!((copy.upstream.as_str(), copy.attempts[0].kind.as_str()), ("mirror", "mirror"));
        assert_eq!((copy.outcome.as_str(), copy.cost_nanos), ("success", COST_OF_FIVE_AND_FOUR));
    }
    assert_eq!(mirror.last_requests().len(), 2);
    assert!(mirror.last_request().unwrap().body.contains("\"sim/llama-3.1-8b\""));
    assert!(mirror.last_request().unwrap().header("authorization").is_none());
    assert_eq!(world.finish().await.len(), 4);
}

#[tokio::test]
async fn a_mirror_that_stalls_slows_nobody_and_is_given_up() {
    let mirror = SimulatedUpstream::start().unwrap();
    mirror.change_behaviour(|behaviour| behaviour.first_byte_delay_ms = 60_000);
    let world = world(&mirror, ALL).await;
    let began = Instant::now();
    assert_eq!(world.chat("mirrored", "").id("stalled").send().await.status, 200);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let (own, copy) = events(&world, "stalled").await;
    assert_eq!((own.outcome.as_str(), copy.outcome.as_str()), ("success", "upstream_timeout"));
    assert_eq!(copy.cost_nanos, 0);
}

#[tokio::test]
async fn a_mirror_that_fails_is_nobodys_failure() {
    let world = World::with_model(|url| mirrored(url, fixtures::DEAD, ALL)).await;
    let answer = world.chat("mirrored", "").id("dead").send().await;
    assert_eq!((answer.status, answer.json()["model"].as_str()), (200, Some("mirrored")));
    let (own, copy) = events(&world, "dead").await;
    assert_eq!((own.outcome.as_str(), copy.outcome.as_str()), ("success", "upstream_error"));
}

#[tokio::test]
async fn copies_are_no_requests_in_the_metrics() {
    let mirror = SimulatedUpstream::start().unwrap();
    let world = world(&mirror, ALL).await;
    world.chat("mirrored", "").id("counted").send().await;
    events(&world, "counted").await;
    world.proxy.refresh_metrics();
    let metrics = world.process.metrics.render().unwrap();
    let requests = metrics.lines().filter(|line| line.starts_with("maas_proxy_requests_total{"));
    let counted: f64 = requests.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum();
    assert_eq!(counted, 1.0, "{metrics}");
}

#[tokio::test]
async fn a_mirror_answers_nobody_even_alone() {
    let mirror = SimulatedUpstream::start().unwrap();
    let url = mirror.base_url();
    let world = World::with_model(move |_| {
        let mut model = mirrored(fixtures::DEAD, &url, ALL);
        model.upstreams.remove(0);
        model
    })
    .await;
    assert_eq!(world.chat("mirrored", "").send().await.error(), (503, "model_unavailable".to_owned()));
    assert!(mirror.last_requests().is_empty() && world.finish().await.is_empty());
}

#[tokio::test]
async fn a_share_of_nothing_is_no_copy() {
    let mirror = SimulatedUpstream::start().unwrap();
    let world = world(&mirror, 0).await;
    for _ in 0..20 {
        assert_eq!(world.chat("mirrored", "").send().await.status, 200);
    }
    assert_eq!((world.finish().await.len(), mirror.last_requests().len()), (20, 0));
}

#[tokio::test]
async fn sound_and_transcribed_files_are_copied_as_far_as_they_can_be() {
    let mirror = SimulatedUpstream::start().unwrap();
    let world = world(&mirror, ALL).await;
    let speech = json!({"model": "mirrored", "input": "one two three", "instructions": "sim:tokens-4"});
    assert_eq!(world.post("/v1/audio/speech", &speech).id("speech").send().await.body.len(), 4 * 320);
    let (own, copy) = events(&world, "speech").await;
    assert_eq!((own.outcome.as_str(), copy.outcome.as_str()), ("success", "success"));
    assert_eq!((own.tokens, own.quality()), (copy.tokens, copy.quality()));
    // What passes through once cannot be copied.
    let form = Form::default().field("model", "mirrored").file("file", b"x").end();
    assert_eq!(world.upload(TRANSCRIPTIONS, &form).send().await.status, 200);
    assert_eq!((world.finish().await.len(), mirror.last_requests().len()), (3, 1));
}

#[tokio::test]
async fn copies_that_are_under_way_at_the_end_are_settled() {
    let mirror = StandIn::that_takes_all().await;
    let url = mirror.base_url.clone();
    let world = World::with_model(move |first| {
        let mut model = mirrored(first, &url, ALL);
        model.upstreams[1].first_byte_timeout_ms = 60_000;
        model
    })
    .await;
    assert_eq!(world.chat("mirrored", "").send().await.status, 200);
    mirror.until(|seen| seen.opened == 1).await;
    assert_eq!(world.finish().await.len(), 2);
}
