//! Ends, overload, and a journal that cannot be written.

use std::time::{Duration, Instant};

use crate::world::{COST_OF_FIVE_AND_FOUR, Setup, World};

#[tokio::test]
async fn a_draining_proxy_refuses_new_requests() {
    let world = World::with(Setup { own_listener_lifecycle: true, ..Setup::default() }).await;
    world.process.lifecycle.stop();
    let answer = world.chat("chat", "").send().await;
    assert_eq!(answer.error(), (503, "draining".to_owned()));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(world.get("/health").send().await.status, 503);
}

#[tokio::test]
async fn a_running_stream_is_finished_before_the_end() {
    let world = World::start().await;
    let mut connection = world.stream("chat", "chunk-delay-300").id("last").open().await;
    connection.until("steady").await;
    world.process.lifecycle.stop();
    assert_eq!(connection.rest().await.words(), 4);
    let events = world.finish().await;
    assert_eq!((events.len(), events[0].outcome.as_str()), (1, "success"));
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_end() {
    let world = World::start().await;
    let mut idle = world.connect().await;
    idle.write(&world.chat("chat", "").keep_alive().bytes()).await;
    assert_eq!(idle.one_answer().await.status, 200);
    let _never_used = world.connect().await;
    let began = Instant::now();
    world.finish().await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    drop(idle);
}

#[tokio::test]
async fn beyond_the_limit_requests_are_refused_until_one_ends() {
    let world = World::with_settings(|settings| settings.max_requests = 1).await;
    let mut first = world.stream("chat", "fault-stall").open().await;
    first.until("steady").await;
    let answer = world.chat("chat", "").send().await;
    assert_eq!(answer.error(), (503, "overloaded".to_owned()));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(world.get("/v1/models").key(world.key.expose()).send().await.status, 200);
    drop(first);
    world.eventually_answers(world.chat("chat", ""), |answer| answer.status == 200).await;
}

#[tokio::test]
async fn bodies_together_hold_no_more_memory_than_they_may() {
    let world = World::with_settings(|settings| {
        settings.max_body_bytes = 4_096;
        settings.max_body_memory_bytes = 4_096;
    })
    .await;
    let large = || {
        let mut body = crate::world::chat_body("chat", "delay-400");
        body["metadata"] = serde_json::json!("x".repeat(3_000));
        world.post(crate::world::CHAT, &body)
    };
    let first = large().open().await;
    world.upstream_counts(|counters| counters.requests.values().sum::<u64>() == 1).await;
    let answer = large().send().await;
    assert_eq!(answer.error(), (503, "overloaded".to_owned()));
    assert_eq!(first.rest().await.status, 200);
    world.eventually_answers(large(), |answer| answer.status == 200).await;
}

#[tokio::test]
async fn without_a_journal_nothing_is_admitted_until_it_is_back() {
    let world = World::start().await;
    let elsewhere = world.journal_dir.with_extension("away");
    std::fs::rename(&world.journal_dir, &elsewhere).unwrap();
    let answer = world.chat("chat", "").send().await;
    assert_eq!(answer.error(), (503, "metering_unavailable".to_owned()));
    assert!(answer.header("retry-after").is_some());
    assert!(world.upstream.last_requests().is_empty(), "nobody is called for a request that cannot be booked");
    std::fs::rename(&elsewhere, &world.journal_dir).unwrap();
    world.eventually_answers(world.chat("chat", "").id("again"), |answer| answer.status == 200).await;
    // A request that was let in before the journal was found gone is an event as well, of nothing used.
    let events = world.finish().await;
    let (served, refused): (Vec<_>, Vec<_>) = events.iter().partition(|event| event.status == 200);
    assert_eq!((served.len(), served[0].cost_nanos), (1, COST_OF_FIVE_AND_FOUR));
    assert!(
        refused.iter().all(|event| (event.outcome.as_str(), event.cost_nanos) == ("unavailable", 0)),
        "{refused:?}"
    );
}
