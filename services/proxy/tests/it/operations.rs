//! Every operation of the data plane on an upstream that has it: it passes as it was written, answers under the name that
//! was asked for, and is booked with what the upstream has counted.

use maas_events::usage::{Quality, UsageEvent};
use serde_json::{Value, json};

use crate::{
    fixtures::{INPUT_RATE, OUTPUT_RATE},
    world::World,
};

/// A request and what must be booked for it.
struct Case {
    path: &'static str,
    operation: &'static str,
    body: Value,
    input: u64,
    output: u64,
    quality: Quality,
    /// Whether the answer names its model.
    names_model: bool,
}

#[rustfmt::skip]
fn cases() -> Vec<Case> {
    let case = |path, operation, body, (input, output, quality), names_model| {
        Case { path, operation, body, input, output, quality, names_model }
    };
    let rerank = json!({"model": "chat", "query": "a b", "documents": ["a x", "b"]});
    vec![
        case("/v1/completions", "completion", json!({"model": "chat", "prompt": "one two", "max_tokens": 3}), (2, 3, Quality::Exact), true),
        case("/v1/embeddings", "embeddings", json!({"model": "embed", "input": ["one", "two three"], "encoding_format": "base64"}), (3, 0, Quality::Exact), true),
        // Two words of the query with each document of two words and of one.
        case("/v1/rerank", "rerank", rerank.clone(), (7, 0, Quality::Exact), true),
        case("/rerank", "rerank", rerank, (7, 0, Quality::Exact), true),
        // Each image counts as 272 tokens there.
        case("/v1/images/generations", "image_generation", json!({"model": "chat", "prompt": "a red fox", "n": 2}), (3, 544, Quality::Exact), false),
        case("/v1/moderations", "moderation", json!({"model": "chat", "input": "be nice"}), (0, 0, Quality::None), true),
        case("/tokenize", "tokenize", json!({"model": "chat", "prompt": "one two"}), (0, 0, Quality::None), false),
        case("/v1/detokenize", "detokenize", json!({"model": "chat", "tokens": [0, 1]}), (0, 0, Quality::None), false),
        case("/responses", "responses", json!({"model": "native", "input": "one two", "user": "sim:tokens-3"}), (2, 3, Quality::Exact), true),
        case("/messages", "messages", json!({"model": "native", "messages": [{"role": "user", "content": "one two"}], "max_tokens": 3}), (2, 3, Quality::Exact), true),
    ]
}

fn cost(event: &UsageEvent) -> i64 {
    let tokens = event.tokens.unwrap_or_default();
    (tokens.input as i64 * INPUT_RATE + tokens.output as i64 * OUTPUT_RATE) / 1_000_000
}

#[tokio::test]
async fn each_is_answered_and_booked_as_its_upstream_counts() {
    let world = World::start().await;
    for case in cases() {
        let id = case.path.replace('/', "-");
        let answer = world.post(case.path, &case.body).id(&id).header("anthropic-version", "2023-06-01").send().await;
        assert_eq!(answer.status, 200, "{}: {answer:?}", case.path);
        let named = answer.json()["model"].as_str().map(str::to_owned);
        assert_eq!(named.as_deref(), case.names_model.then(|| case.body["model"].as_str().unwrap()), "{}", case.path);
        let event = world.event(&id).await;
        let tokens = event.tokens.unwrap_or_default();
        assert_eq!((event.operation.as_str(), event.outcome.as_str()), (case.operation, "success"), "{}", case.path);
        assert_eq!((tokens.input, tokens.output, event.quality()), (case.input, case.output, case.quality), "{id}");
        assert_eq!(event.cost_nanos, cost(&event), "{id}");
    }
}

#[tokio::test]
async fn what_nobody_here_knows_passes_both_ways() {
    let world = World::start().await;
    for case in cases() {
        let mut body = case.body.clone();
        body["x-unheard-of"] = json!({"a": [1.5, "é", null]});
        let answer = world.post(case.path, &body).header("anthropic-version", "2023-06-01").send().await;
        assert_eq!(answer.status, 200, "{}", case.path);
        let arrived: Value = serde_json::from_str(&world.upstream.last_request().unwrap().body).unwrap();
        body["model"] = arrived["model"].clone();
        assert_eq!(arrived, body, "{}", case.path);
    }
    let images = world.post("/v1/images/generations", &json!({"model": "chat", "prompt": "fox"})).send().await.json();
    assert_eq!((&images["background"], &images["size"]), (&json!("opaque"), &json!("1024x1024")));
    let tokens = world.post("/v1/tokenize", &json!({"model": "chat", "prompt": "a"})).send().await.json();
    assert_eq!(tokens["max_model_len"], 4_096);
}

#[tokio::test]
async fn tokenizers_are_beside_the_version_of_their_server() {
    let world = World::start().await;
    world.post("/v1/tokenize", &json!({"model": "chat", "prompt": "one"})).send().await;
    assert_eq!(world.upstream.last_request().unwrap().target, "/tokenize");
    world.post("/rerank", &json!({"model": "chat", "query": "a", "documents": ["a"]})).send().await;
    assert_eq!(world.upstream.last_request().unwrap().target, "/v1/rerank");
}

#[tokio::test]
async fn images_are_counted_besides_tokens() {
    let world = World::start().await;
    let body = json!({"model": "chat", "prompt": "a red fox", "n": 2});
    world.post("/v1/images/generations", &body).id("images").send().await;
    assert_eq!(world.event("images").await.tokens.unwrap().images, 2);
}

#[tokio::test]
async fn without_a_report_what_was_worked_on_is_estimated() {
    let world = World::start().await;
    for (path, body) in [
        ("/v1/rerank", json!({"model": "chat", "query": "a b", "documents": ["a x"], "user": "sim:usage-missing"})),
        ("/v1/images/generations", json!({"model": "chat", "prompt": "a red fox", "user": "sim:usage-missing"})),
        ("/v1/responses", json!({"model": "native", "input": "one two", "user": "sim:usage-missing"})),
    ] {
        let id = path.replace('/', "-");
        assert_eq!(world.post(path, &body).id(&id).send().await.status, 200, "{path}");
        let event = world.event(&id).await;
        assert_eq!((event.quality(), event.outcome.as_str()), (Quality::Estimated, "success"), "{path}");
        assert!(event.tokens.unwrap().input > 0 && event.cost_nanos > 0, "{path}: {event:?}");
    }
}

#[tokio::test]
async fn other_methods_than_post_are_refused_in_the_words_of_the_path() {
    let world = World::start().await;
    for path in ["/v1/completions", "/v1/rerank", "/v1/audio/speech", "/v1/responses", "/tokenize"] {
        let answer = world.get(path).key(world.key.expose()).send().await;
        assert_eq!(answer.error(), (405, "method_not_allowed".to_owned()), "{path}");
    }
    let answer = world.request("PUT", "/v1/messages").send().await;
    assert_eq!(answer.messages_error(), (405, "invalid_request_error".to_owned()));
    assert_eq!(world.request("POST", "/v1/models").send().await.error().0, 405);
}

#[tokio::test]
async fn a_model_without_such_an_endpoint_says_so_and_nobody_is_called() {
    let world = World::start().await;
    for (path, body) in [
        ("/v1/embeddings", json!({"model": "claude", "input": "a"})),
        ("/v1/completions", json!({"model": "claude", "prompt": "a"})),
        ("/v1/audio/speech", json!({"model": "claude", "input": "a"})),
        ("/tokenize", json!({"model": "claude", "prompt": "a"})),
    ] {
        let answer = world.post(path, &body).send().await;
        assert_eq!(answer.error(), (400, "unsupported_parameter".to_owned()), "{path}");
        assert_eq!(answer.json()["error"]["param"], "model", "{path}");
    }
    assert!(world.upstream.last_requests().is_empty());
    assert!(world.finish().await.is_empty());
}
