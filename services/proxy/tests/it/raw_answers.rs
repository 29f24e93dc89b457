//! Answers that are bytes: sound and captions pass as they come, and are booked as far as anybody can tell.

use maas_events::{state::UpstreamState, usage::Quality};
use serde_json::json;

use crate::{fixtures, http::Request, stand_ins::StandIn, world::World};

const SPEECH: &str = "/v1/audio/speech";
/// The simulated upstream sends so many for each output token.
const BYTES_PER_TOKEN: usize = 320;

fn speech(world: &World, model: &str, modifiers: &str) -> Request {
    let instructions = format!("sim:{modifiers}");
    world.post(SPEECH, &json!({"model": model, "input": "one two three", "instructions": instructions}))
}

/// What the simulated upstream says in so many tokens.
fn sound(tokens: usize) -> Vec<u8> {
    (0..tokens * BYTES_PER_TOKEN).map(|position| u8::try_from(position % 251).unwrap()).collect()
}

#[tokio::test]
async fn sound_arrives_as_it_was_made() {
    let world = World::start().await;
    let answer = speech(&world, "chat", "tokens-30").id("sound").send().await;
    assert_eq!((answer.status, answer.whole, answer.header("content-type")), (200, true, Some("audio/mpeg")));
    assert_eq!(answer.body, sound(30));
    let event = world.event("sound").await;
    assert_eq!((event.operation.as_str(), event.outcome.as_str(), event.status), ("speech", "success", 200));
    assert_eq!(event.quality(), Quality::Estimated);
    assert!(event.tokens.unwrap().input > 0 && event.cost_nanos > 0 && event.first_byte_us.is_some());
}

#[tokio::test]
async fn the_first_sound_is_there_before_the_last_is_made() {
    let world = World::start().await;
    let mut connection = speech(&world, "chat", "fault-stall").open().await;
    connection.until("\r\n\r\n").await;
    let head = connection.seen.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    connection.until_bytes(head + 2 * BYTES_PER_TOKEN).await;
    assert_eq!(world.upstream.counters().open_streams, 1);
}

#[tokio::test]
async fn sound_in_events_is_a_stream_with_exact_usage() {
    let world = World::start().await;
    let body =
        json!({"model": "chat", "input": "one two three", "stream_format": "sse", "instructions": "sim:tokens-4"});
    let answer = world.post(SPEECH, &body).id("events").send().await;
    assert!(answer.header("content-type").unwrap().starts_with("text/event-stream"));
    assert_eq!(answer.events_named("speech.audio.delta").len(), 4);
    assert_eq!(answer.events().last().unwrap().0, "speech.audio.done");
    let event = world.event("events").await;
    let tokens = event.tokens.unwrap();
    assert_eq!((tokens.input, tokens.output, event.quality()), (3, 4, Quality::Exact));
}

#[tokio::test]
async fn a_cut_is_seen_by_the_client_and_in_the_books() {
    let world = World::start().await;
    let answer = speech(&world, "chat", "fault-cut").id("cut").send().await;
    assert_eq!((answer.status, answer.whole), (200, false));
    let event = world.event("cut").await;
    assert_eq!((event.outcome.as_str(), event.error_code.as_str()), ("upstream_error", "upstream_error"));
}

#[tokio::test]
async fn silence_and_endless_sound_are_broken_off() {
    let world = World::start().await;
    for (id, model, modifiers) in [
        ("silent", "short-gap", "fault-stall"),
        ("endless", "short-total", "chunk-delay-20+tokens-100000"),
        ("silent-at-last", "short-total", "fault-stall"),
    ] {
        let answer = speech(&world, model, modifiers).id(id).send().await;
        assert_eq!((answer.status, answer.whole), (200, false), "{id}");
        assert_eq!(world.event(id).await.outcome, "upstream_timeout", "{id}");
    }
    world.upstream_counts(|counters| counters.cancelled == 3).await;
}

#[tokio::test]
async fn an_answer_without_bytes_is_a_success() {
    let world = World::start().await;
    let empty = b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 0\r\n\r\n";
    let upstream = StandIn::that_answers(empty).await;
    world.add_model(&fixtures::model("mute", vec![fixtures::upstream(&upstream.base_url, "mute")])).await;
    let answer = speech(&world, "mute", "").id("mute").send().await;
    assert_eq!((answer.status, answer.whole, answer.body.len()), (200, true, 0));
    assert_eq!(world.event("mute").await.outcome, "success");
}

#[tokio::test]
async fn an_error_instead_of_sound_is_told_as_one() {
    let world = World::start().await;
    world.upstream.change_behaviour(|behaviour| behaviour.retry_after_seconds = 7_200);
    for (modifier, status, code) in [
        ("error-internal", 502, "upstream_error"),
        ("error-rate-limited", 429, "upstream_rate_limited"),
        ("error-bad-request", 400, "invalid_request"),
        ("error-under-ok", 502, "upstream_error"),
    ] {
        let answer = speech(&world, "chat", modifier).id(modifier).send().await;
        assert_eq!(answer.error(), (status, code.to_owned()), "{modifier}");
        assert_eq!(world.event(modifier).await.error_code, code, "{modifier}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_the_sound_closes_the_upstream_and_is_booked() {
    let world = World::with_model(|url| {
        let upstream = UpstreamState { gap_timeout_ms: 60_000, ..fixtures::upstream(url, "sim-chat") };
        fixtures::model("patient", vec![upstream])
    })
    .await;
    let mut connection = speech(&world, "patient", "fault-stall").id("gone").open().await;
    connection.until("\r\n\r\n").await;
    drop(connection);
    world.upstream_counts(|counters| counters.cancelled == 1).await;
    let event = world.event("gone").await;
    assert_eq!((event.outcome.as_str(), event.quality()), ("client_cancelled", Quality::Estimated));
}
