//! Streams: what a client sees whatever the upstream does.

use std::time::{Duration, Instant};

use crate::{
    http::{Answer, checked_error},
    world::{SHORTLY, World},
};

/// Choices with a finish reason, and the usage chunks.
fn finished_and_usages(answer: &Answer) -> (usize, Vec<(u64, u64)>) {
    let chunks = answer.chunks();
    let finished = chunks.iter().filter(|chunk| chunk["choices"][0]["finish_reason"].is_string()).count();
    let usages = chunks.iter().filter(|chunk| chunk["usage"].is_object());
    let usages = usages.map(|chunk| {
        assert_eq!(chunk["choices"], serde_json::json!([]), "{chunk}");
        (chunk["usage"]["prompt_tokens"].as_u64().unwrap(), chunk["usage"]["completion_tokens"].as_u64().unwrap())
    });
    (finished, usages.collect())
}

/// The code of the error frame that must be the last one before `[DONE]`.
#[track_caller]
fn last_error(answer: &Answer) -> String {
    checked_error(answer.chunks().last().unwrap())
}

#[tokio::test]
async fn usage_is_sent_once_if_it_was_asked_for_and_never_else() {
    let world = World::start().await;
    for modifier in ["", "usage-always", "usage-cumulative", "usage-without-choices"] {
        let asked = world.stream_with_usage("chat", modifier).send().await;
        assert_eq!(finished_and_usages(&asked), (1, vec![(5, 4)]), "{modifier}");
        let not_asked = world.stream("chat", modifier).send().await;
        assert_eq!(finished_and_usages(&not_asked), (1, vec![]), "{modifier}");
        assert_eq!((asked.words(), not_asked.words()), (4, 4), "{modifier}");
    }
}

#[tokio::test]
async fn every_framing_comes_out_the_same() {
    let world = World::start().await;
    let without_id = |answer: &Answer| {
        let mut chunks = answer.chunks();
        chunks.iter_mut().for_each(|chunk| chunk["id"] = serde_json::Value::Null);
        chunks
    };
    let plain = without_id(&world.stream_with_usage("chat", "").send().await);
    for modifier in ["framing-crlf", "framing-comments", "framing-id-lines", "drip", "fault-no-done"] {
        let answer = world.stream_with_usage("chat", modifier).send().await;
        assert_eq!(without_id(&answer), plain, "{modifier}");
    }
}

#[tokio::test]
async fn completions_are_streamed_too() {
    let world = World::start().await;
    let body = serde_json::json!({"model": "chat", "prompt": "say it", "max_tokens": 3, "stream": true});
    let answer = world.post("/v1/completions", &body).id("completion").send().await;
    assert_eq!(answer.words(), 3);
    assert_eq!(world.event("completion").await.operation, "completion");
}

#[tokio::test]
async fn headers_keep_proxies_from_buffering() {
    let world = World::start().await;
    let answer = world.stream("chat", "").header("accept-encoding", "gzip, br, zstd").send().await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").unwrap().starts_with("text/event-stream"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    assert_eq!(answer.header("content-encoding"), None);
    assert!(answer.header("x-request-id").is_some() && answer.header("x-maas-overhead-ms").is_some());
}

#[tokio::test]
async fn a_cut_is_an_error_frame_and_then_done() {
    let world = World::start().await;
    for modifier in ["fault-cut", "fault-no-finish-reason"] {
        let answer = world.stream("chat", modifier).id(modifier).send().await;
        assert_eq!(last_error(&answer), "upstream_error", "{modifier}");
        assert_eq!(answer.chunks().last().unwrap()["error"]["request_id"], modifier);
        let event = world.event(modifier).await;
        assert_eq!(
            (event.outcome.as_str(), event.status, event.error_code.as_str()),
            ("upstream_error", 200, "upstream_error")
        );
        assert!(event.cost_nanos > 0, "what was relayed is booked");
    }
}

#[tokio::test]
async fn an_error_as_data_is_passed_on_in_our_shape() {
    let world = World::start().await;
    let answer = world.stream("chat", "fault-error-frame").id("frame").send().await;
    let chunks = answer.chunks();
    assert_eq!(chunks.last().unwrap()["error"]["message"], "The engine has failed.");
    checked_error(chunks.last().unwrap());
    assert_eq!(world.event("frame").await.outcome, "upstream_error");
}

#[tokio::test]
async fn a_stall_ends_with_a_timeout_frame() {
    let world = World::start().await;
    let began = Instant::now();
    let answer = world.stream("short-gap", "fault-stall").id("stall").send().await;
    assert_eq!(last_error(&answer), "upstream_timeout");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(world.event("stall").await.outcome, "upstream_timeout");
    world.upstream_counts(|counters| counters.cancelled == 1).await;
}

#[tokio::test]
async fn a_stream_without_an_end_is_ended() {
    let world = World::start().await;
    let mut body = crate::world::chat_body("short-total", "chunk-delay-20+tokens-100000");
    body["stream"] = serde_json::json!(true);
    body.as_object_mut().unwrap().remove("max_tokens");
    let answer = world.post(crate::world::CHAT, &body).send().await;
    assert_eq!(last_error(&answer), "upstream_timeout");
}

#[tokio::test]
async fn a_long_wait_is_filled_with_pings() {
    let world = World::with_settings(|settings| settings.ping_interval = SHORTLY).await;
    let answer = world.stream_with_usage("chat", "delay-400").id("waits").send().await;
    assert!(answer.text().starts_with(": ping\n\n: ping\n\n"), "{}", answer.text());
    assert_eq!(finished_and_usages(&answer), (1, vec![(5, 4)]));
    let event = world.event("waits").await;
    assert!(event.first_byte_us.unwrap() >= 400_000, "a ping is not a first byte");
    assert_eq!(event.attempts.len(), 1);

    let gaps = world.stream("chat", "chunk-delay-250").send().await;
    assert!(gaps.frames().iter().skip(2).any(|frame| frame == ": ping"), "{}", gaps.text());
    assert_eq!(gaps.words(), 4);
}

#[tokio::test]
async fn an_error_after_pings_is_a_frame() {
    let world = World::with_settings(|settings| settings.ping_interval = SHORTLY).await;
    for (model, modifier, code) in [
        ("chat", "delay-300+error-rate-limited", "upstream_rate_limited"),
        ("chat", "delay-300+error-html-page", "upstream_error"),
        ("impatient", "delay-60000", "upstream_timeout"),
    ] {
        let id = format!("late-{code}");
        let answer = world.stream(model, modifier).id(&id).send().await;
        assert_eq!((answer.status, last_error(&answer)), (200, code.to_owned()));
        let event = world.event(&id).await;
        assert_eq!((event.status, event.error_code.as_str(), event.cost_nanos), (200, code, 0));
    }
}

#[tokio::test]
async fn a_stream_leaves_its_connection_upstream_fit_for_the_next_request() {
    // A stand-in that counts connections: the simulated upstream does not tell.
    let world = World::start().await;
    let (counting, connections) = crate::world::counting_relay(world.upstream.address()).await;
    let base_url = format!("http://{counting}/v1");
    let model = crate::fixtures::model("counted", vec![crate::fixtures::upstream(&base_url, "sim-chat")]);
    world.deliver(crate::fixtures::model_delivery(&model)).await;
    let path = world.get("/v1/models/counted").key(world.key.expose());
    world.eventually_answers(path, |answer| answer.status == 200).await;
    for number in 0..20 {
        // Half of them as openai-python: away with the last frame.
        let mut connection = world.stream("counted", "").open().await;
        connection.until("[DONE]").await;
        if number % 2 == 0 {
            connection.rest().await;
        }
        world.upstream_counts(|counters| counters.open_streams == 0).await;
    }
    let opened = connections.load(std::sync::atomic::Ordering::Relaxed);
    // Two workers with a pool each, and the end of a stream may just not be there yet when the next one begins.
    assert!(opened <= 6, "{opened} connections for twenty streams");
}

#[tokio::test]
async fn a_connection_goes_on_after_a_stream() {
    let world = World::start().await;
    let mut connection = world.connect().await;
    for _ in 0..3 {
        connection.write(&world.stream("chat", "").keep_alive().bytes()).await;
        connection.until("data: [DONE]\n\n\r\n0\r\n\r\n").await;
        connection.seen.clear();
    }
    connection.write(&world.chat("chat", "").keep_alive().bytes()).await;
    assert_eq!(connection.one_answer().await.status, 200);
    assert_eq!(world.finish().await.len(), 4);
}

#[tokio::test]
async fn an_upstream_that_says_all_and_does_not_end_is_a_success() {
    let world = World::start().await;
    let (relay, _never) = crate::world::gated_relay(world.upstream.address(), "data: [DONE]").await;
    let upstream = crate::fixtures::upstream(&format!("http://{relay}/v1"), "sim-chat");
    let upstream = maas_events::state::UpstreamState { gap_timeout_ms: 150, ..upstream };
    let model = crate::fixtures::model("endless", vec![upstream]);
    world.deliver(crate::fixtures::model_delivery(&model)).await;
    let request = world.get("/v1/models/endless").key(world.key.expose());
    world.eventually_answers(request, |answer| answer.status == 200).await;
    let answer = world.stream("endless", "").id("endless").send().await;
    assert_eq!(answer.words(), 4);
    let event = world.event("endless").await;
    assert_eq!((event.outcome.as_str(), event.quality()), ("success", maas_events::usage::Quality::Exact));
}
