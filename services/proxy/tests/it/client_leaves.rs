//! Clients that leave: the upstream is told, and what was produced is booked.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use maas_events::usage::Quality;
use tokio::sync::Notify;

use crate::world::World;

#[tokio::test]
async fn in_mid_stream_the_upstream_is_cancelled_and_what_was_relayed_is_booked() {
    let world = World::start().await;
    let mut connection = world.stream("chat", "fault-stall").id("gone").open().await;
    connection.until("rivers").await;
    let left = Instant::now();
    drop(connection);
    world.upstream_counts(|counters| counters.cancelled == 1).await;
    assert!(left.elapsed() < Duration::from_secs(1), "{:?}", left.elapsed());
    let event = world.event("gone").await;
    assert_eq!((event.outcome.as_str(), event.error_code.as_str()), ("client_cancelled", "client_cancelled"));
    assert_eq!(event.quality(), Quality::Estimated);
    // "steady rivers " are 14 bytes.
    assert_eq!(event.tokens.unwrap().output, 4);
    assert!(event.tokens.unwrap().input > 0 && event.cost_nanos > 0);
}

#[tokio::test]
async fn running_usage_makes_it_partial() {
    let world = World::start().await;
    let mut connection = world.stream("chat", "fault-stall+usage-cumulative").id("gone").open().await;
    connection.until("rivers").await;
    drop(connection);
    let event = world.event("gone").await;
    assert_eq!((event.outcome.as_str(), event.quality()), ("client_cancelled", Quality::Partial));
    assert_eq!(event.tokens.unwrap().input, 5);
}

#[tokio::test]
async fn while_a_whole_answer_is_awaited_the_upstream_is_cancelled() {
    let world = World::start().await;
    let connection = world.chat("chat", "delay-60000").id("gone").open().await;
    world.upstream_counts(|counters| counters.input_tokens == 5).await;
    drop(connection);
    world.upstream_counts(|counters| counters.cancelled == 1).await;
    let event = world.event("gone").await;
    assert_eq!((event.outcome.as_str(), event.status, event.upstream.as_str()), ("client_cancelled", 0, "first"));
}

#[tokio::test]
async fn while_a_stream_waits_behind_pings_the_upstream_is_cancelled() {
    let world = World::with_settings(|settings| settings.ping_interval = crate::world::SHORTLY).await;
    let mut connection = world.stream("chat", "delay-60000").id("gone").open().await;
    connection.until(": ping").await;
    drop(connection);
    world.upstream_counts(|counters| counters.cancelled == 1).await;
    let event = world.event("gone").await;
    assert_eq!((event.outcome.as_str(), event.quality(), event.cost_nanos), ("client_cancelled", Quality::None, 0));
}

#[tokio::test]
async fn right_after_done_it_is_a_success() {
    let world = World::start().await;
    for number in 0..5 {
        let id = format!("done-{number}");
        let mut connection = world.stream("chat", "").id(&id).open().await;
        connection.until("[DONE]").await;
        drop(connection);
        let event = world.event(&id).await;
        assert_eq!((event.outcome.as_str(), event.quality()), ("success", Quality::Exact));
    }
}

/// A stream whose usage does not come, and whose client has left at the finish reason.
async fn left_at_the_finish_reason(world: &World) -> Arc<Notify> {
    let (relay, usage_gate) = crate::world::gated_relay(world.upstream.address(), "\"choices\":[],").await;
    let model =
        crate::fixtures::model("gated", vec![crate::fixtures::upstream(&format!("http://{relay}/v1"), "sim-chat")]);
    world.deliver(crate::fixtures::model_delivery(&model)).await;
    let request = world.get("/v1/models/gated").key(world.key.expose());
    world.eventually_answers(request, |answer| answer.status == 200).await;
    let mut connection = world.stream("gated", "").id("early").open().await;
    connection.until("\"finish_reason\":\"length\"").await;
    drop(connection);
    // The proxy has noticed once it shows that it serves others.
    world.chat("chat", "").send().await;
    usage_gate
}

#[tokio::test]
async fn at_the_finish_reason_the_usage_is_still_read() {
    let world = World::start().await;
    left_at_the_finish_reason(&world).await.notify_one();
    let event = world.event("early").await;
    assert_eq!((event.outcome.as_str(), event.quality()), ("success", Quality::Exact));
    assert_eq!((event.tokens.unwrap().input, event.tokens.unwrap().output), (5, 4));
}

#[tokio::test]
async fn what_was_relayed_is_booked_when_the_proxy_stops_before_the_usage_came() {
    let world = World::start().await;
    let _usage_gate = left_at_the_finish_reason(&world).await;
    let events = world.finish().await;
    let event = events.iter().find(|event| event.request_id == "early").unwrap();
    assert_eq!((event.outcome.as_str(), event.quality()), ("success", Quality::Estimated));
    assert!(event.tokens.unwrap().output > 0);
}

#[tokio::test]
async fn whole_answers_of_every_language_are_cancelled_upstream() {
    let world = World::start().await;
    for (number, model) in ["native", "claude", "chat"].into_iter().enumerate() {
        for (request, id) in [
            (world.message(model, "delay-60000"), format!("message-{model}")),
            (world.response(model, "delay-60000"), format!("response-{model}")),
        ] {
            let before = world.upstream.counters();
            let connection = request.header("anthropic-version", "2023-06-01").id(&id).open().await;
            world.upstream_counts(|counters| counters.input_tokens > before.input_tokens).await;
            let left = Instant::now();
            drop(connection);
            world.upstream_counts(|counters| counters.cancelled > before.cancelled).await;
            assert!(left.elapsed() < Duration::from_secs(1), "{id}: {:?}", left.elapsed());
            let event = world.event(&id).await;
            assert_eq!((event.outcome.as_str(), event.status), ("client_cancelled", 0), "{id} {number}");
        }
    }
}

#[tokio::test]
async fn streams_of_every_language_are_cancelled_upstream_and_booked_as_far_as_they_came() {
    let world = World::start().await;
    for model in ["native", "claude", "chat"] {
        for (request, id) in [
            (world.message_stream(model, "fault-stall"), format!("message-{model}")),
            (world.response_stream(model, "fault-stall"), format!("response-{model}")),
            (world.stream(model, "fault-stall"), format!("chat-{model}")),
        ] {
            let cancelled = world.upstream.counters().cancelled;
            let mut connection = request.header("anthropic-version", "2023-06-01").id(&id).open().await;
            connection.until("rivers").await;
            let left = Instant::now();
            drop(connection);
            world.upstream_counts(|counters| counters.cancelled > cancelled).await;
            assert!(left.elapsed() < Duration::from_secs(1), "{id}: {:?}", left.elapsed());
            let event = world.event(&id).await;
            assert_eq!(event.outcome, "client_cancelled", "{id}");
            assert!(matches!(event.quality(), Quality::Estimated | Quality::Partial), "{id}: {:?}", event.quality());
            let tokens = event.tokens.unwrap();
            assert!(tokens.input > 0 && tokens.output > 0 && event.cost_nanos > 0, "{id}: {event:?}");
        }
    }
}
