//! Another model serves when the one that was asked for cannot: under its own price, and only if the key may call it.

use maas_events::state::{ModelState, PriceState};
use serde_json::json;

use crate::{
    fixtures,
    http::Answer,
    world::{Setup, World, chat_body},
};

/// The fallback is a hundred times as dear.
const DEAR: i64 = 100;
/// Five words in and four out at the dear price.
const DEAR_COST: i64 = crate::world::COST_OF_FIVE_AND_FOUR * DEAR;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A model whose only upstream answers with `modifiers`.
fn served(name: &str, url: &str, modifiers: &str, fallbacks: &[&str], context_fallbacks: &[&str]) -> ModelState {
    let model = fixtures::model(name, vec![fixtures::upstream(url, &format!("sim-chat{modifiers}"))]);
    ModelState { fallbacks: names(fallbacks), context_fallbacks: names(context_fallbacks), ..model }
}

fn dear(model: ModelState) -> ModelState {
    let price = &model.prices[0];
    let dear = PriceState { input: price.input * DEAR, output: price.output * DEAR, ..price.clone() };
    ModelState { prices: vec![dear], ..model }
}

async fn world() -> World {
    let setup = Setup {
        models: vec![
            Box::new(|_: &str| served("down", fixtures::DEAD, "", &["dear"], &[])),
            Box::new(|url: &str| served("short", url, "+error-context-overflow", &["chat"], &["dear"])),
            Box::new(|url: &str| served("picky", url, "+error-bad-request", &["dear"], &["dear"])),
            Box::new(|_: &str| served("all-down", fixtures::DEAD, "", &["dead", "limited"], &[])),
            Box::new(|url: &str| served("limited", url, "+error-rate-limited+retry-after-7200", &[], &[])),
            Box::new(|_: &str| {
                served("through", fixtures::DEAD, "", &["unheard-of", "no-upstream", "down", "dear"], &[])
            }),
            Box::new(|url: &str| dear(served("dear", url, "", &[], &[]))),
        ],
        ..Setup::default()
    };
    World::with(setup).await
}

fn model(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["model"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_fallback_serves_and_is_booked_under_its_own_name_and_price() {
    let world = world().await;
    for streamed in [false, true] {
        let id = format!("fallback-{streamed}");
        let request = if streamed { world.stream("down", "") } else { world.chat("down", "") };
        let answer = request.id(&id).send().await;
        if streamed {
            assert!(answer.chunks().iter().all(|chunk| chunk["model"] == "down"));
        } else {
            assert_eq!(model(&answer), (200, "down".to_owned()), "the client gets the name that it asked for");
        }
        let event = world.event(&id).await;
        assert_eq!((event.model.as_str(), event.cost_nanos, event.outcome.as_str()), ("dear", DEAR_COST, "success"));
        assert_eq!(event.attempts.last().unwrap().kind, "fallback");
    }
    world.proxy.refresh_metrics();
    let metrics = world.process.metrics.render().unwrap();
    let in_flight = metrics.lines().filter(|line| line.starts_with("maas_proxy_requests_in_flight{"));
    assert!(in_flight.clone().count() > 0 && in_flight.clone().all(|line| line.ends_with(" 0")), "{metrics}");
}

#[tokio::test]
async fn fallbacks_that_cannot_serve_are_passed_over() {
    let world = world().await;
    assert_eq!(model(&world.chat("through", "").id("through").send().await), (200, "through".to_owned()));
    assert_eq!(world.event("through").await.model, "dear");
    // One without the endpoint is like one that is not there.
    world.add_model(&served("no-embeddings", fixtures::DEAD, "", &["claude", "embed"], &[])).await;
    let answer = world.post("/v1/embeddings", &json!({"model": "no-embeddings", "input": "a"})).send().await;
    assert_eq!(model(&answer), (200, "no-embeddings".to_owned()), "{answer:?}");
}

#[tokio::test]
async fn a_fallback_gives_no_rights() {
    let world = world().await;
    let narrow = world.add_key(|state| (state.all_models, state.models) = (false, names(&["down"]))).await;
    let request = world.request("POST", crate::world::CHAT).key(narrow.expose()).id("narrow");
    let answer = request.body(chat_body("down", "").to_string()).send().await;
    assert_eq!(answer.error(), (502, "upstream_error".to_owned()));
    let event = world.event("narrow").await;
    assert_eq!((event.model.as_str(), event.cost_nanos), ("down", 0));
    assert!(world.upstream.last_requests().is_empty());
}

#[tokio::test]
async fn a_request_that_is_too_long_goes_to_a_model_that_takes_it() {
    let world = world().await;
    assert_eq!(model(&world.chat("short", "").id("long").send().await), (200, "short".to_owned()));
    let event = world.event("long").await;
    assert_eq!((event.model.as_str(), event.cost_nanos), ("dear", DEAR_COST));
    let kinds: Vec<_> = event.attempts.iter().map(|attempt| (attempt.kind.as_str(), attempt.status)).collect();
    assert_eq!(kinds, [("primary", 400), ("fallback", 200)]);
}

#[tokio::test]
async fn a_wrong_request_stays_wrong() {
    let world = world().await;
    assert_eq!(world.chat("picky", "").id("picky").send().await.error(), (400, "invalid_request".to_owned()));
    assert_eq!(world.event("picky").await.attempts.len(), 1);
}

#[tokio::test]
async fn when_all_fail_the_first_failure_is_told() {
    let world = world().await;
    let answer = world.chat("all-down", "").id("all").send().await;
    assert_eq!(answer.error(), (502, "upstream_error".to_owned()));
    let event = world.event("all").await;
    assert_eq!((event.model.as_str(), event.error_code.as_str(), event.status), ("all-down", "upstream_error", 502));
    assert_eq!(event.attempts.last().map(|attempt| attempt.status), Some(429), "however many there were");
}

#[tokio::test]
async fn a_fallback_may_speak_another_language() {
    let world = world().await;
    world.add_model(&served("to-claude", fixtures::DEAD, "", &["claude"], &[])).await;
    assert_eq!(world.chat("to-claude", "").id("chat").send().await.json()["object"], "chat.completion");
    let streamed = world.message_stream("to-claude", "").id("message").send().await;
    assert_eq!(streamed.events().last().unwrap().0, "message_stop");
    for id in ["chat", "message"] {
        assert_eq!(world.event(id).await.model, "claude", "{id}");
    }
}

#[tokio::test]
async fn while_a_circuit_is_open_the_fallback_answers_without_a_try() {
    let world = world().await;
    // Three attempts each: the second request opens the circuit.
    for _ in 0..2 {
        assert_eq!(world.chat("down", "").send().await.status, 200);
    }
    assert_eq!(model(&world.chat("down", "").id("spared").send().await), (200, "down".to_owned()));
    let event = world.event("spared").await;
    let attempts: Vec<_> = event.attempts.iter().map(|attempt| (attempt.kind.as_str(), attempt.status)).collect();
    assert_eq!(attempts, [("fallback", 200)]);
}

#[tokio::test]
async fn when_no_fallback_serves_an_open_upstream_is_tried_after_all() {
    let world = world().await;
    for _ in 0..2 {
        assert_ne!(world.chat("all-down", "").send().await.status, 200);
    }
    world.chat("all-down", "").id("last-resort").send().await;
    let event = world.event("last-resort").await;
    assert_eq!(event.attempts.last().map(|attempt| attempt.kind.as_str()), Some("retry"), "{:?}", event.attempts);
}
