//! What becomes of an upstream that fails: CLIENTS' table, a usage event each time, and the next candidate when the first
//! saw nothing of the request.

use maas_testkit::{
    SimulatedUpstream,
    upstream::{Behaviour, Options},
};

use crate::{
    fixtures,
    world::{COST_OF_FIVE_AND_FOUR, World},
};

#[tokio::test]
async fn each_failure_is_told_in_our_words_and_recorded() {
    let world = World::start().await;
    world.upstream.set_behaviour(Behaviour { retry_after_seconds: 7_200, ..Behaviour::default() });
    // The last number is that of the calls: what may pass is tried again on the only upstream there is.
    let cases = [
        ("error-context-overflow", 400, "context_length_exceeded", "client_error", 1),
        ("error-unauthorized", 502, "upstream_auth_failed", "upstream_error", 1),
        ("error-not-found", 502, "upstream_error", "upstream_error", 1),
        ("error-rate-limited", 429, "upstream_rate_limited", "upstream_error", 1),
        ("error-internal", 502, "upstream_error", "upstream_error", 3),
        ("error-unavailable", 502, "upstream_error", "upstream_error", 1),
        ("error-malformed-json", 502, "upstream_error", "upstream_error", 1),
        ("error-html-page", 502, "upstream_error", "upstream_error", 3),
        ("error-disconnect", 502, "upstream_error", "upstream_error", 3),
        ("no-such-modifier", 400, "invalid_request", "client_error", 1),
    ];
    for (modifier, status, code, outcome, calls) in cases {
        for streamed in [false, true] {
            let id = format!("{modifier}-{streamed}");
            let request = if streamed { world.stream("chat", modifier) } else { world.chat("chat", modifier) };
            let answer = request.id(&id).send().await;
            assert_eq!(answer.error(), (status, code.to_owned()), "{id}");
            let retry_after = (code == "upstream_rate_limited").then_some("60");
            assert_eq!(answer.header("retry-after"), retry_after, "{id}");
            let event = world.event(&id).await;
            let told = (event.outcome.as_str(), event.status, event.error_code.as_str(), event.cost_nanos);
            assert_eq!(told, (outcome, u32::from(status), code, 0), "{id}");
            assert_eq!(event.attempts.len(), calls, "{id}");
        }
    }
    assert_eq!(world.finish().await.len(), cases.len() * 2);
}

#[tokio::test]
async fn what_is_wrong_below_http_is_the_upstreams_error_and_what_is_legal_passes() {
    let world = World::start().await;
    for (fault, status) in [
        ("reset", 502),
        ("half-head", 502),
        ("huge-head", 502),
        ("garbage", 502),
        ("long-length", 502),
        ("short-length", 502),
        ("slow-head", 200),
        ("no-length", 200),
        ("early-hints", 200),
    ] {
        let answer = world.chat("chat", &format!("connection-{fault}")).id(fault).send().await;
        assert_eq!(answer.status, status, "{fault}: {answer:?}");
        let outcome = if status == 200 { "success" } else { "upstream_error" };
        assert_eq!(world.event(fault).await.outcome, outcome, "{fault}");
        let streamed = world.stream("chat", &format!("connection-{fault}")).send().await;
        // A stream says itself where it ends, so a length that is a few bytes off does it no harm.
        let passes = status == 200 || fault.ends_with("-length");
        assert!(streamed.whole && streamed.text().contains("error") != passes, "{fault}: {streamed:?}");
    }
}

#[tokio::test]
async fn a_context_overflow_names_the_parameter() {
    let world = World::start().await;
    let answer = world.chat("chat", "error-context-overflow").send().await;
    assert_eq!(answer.json()["error"]["param"], "messages");
    assert!(answer.text().contains("maximum context length"));
}

#[tokio::test]
async fn a_dead_upstream_is_a_502_and_an_event_without_tokens() {
    let world = World::start().await;
    let answer = world.chat("dead", "").id("dead").send().await;
    assert_eq!(answer.error(), (502, "upstream_error".to_owned()));
    assert!(!answer.text().contains("127.0.0.1"), "internal addresses are nobody's business");
    let event = world.event("dead").await;
    assert_eq!(event.tokens.unwrap_or_default(), maas_events::usage::Tokens::default());
    assert_eq!((event.first_byte_us, event.status, event.attempts.len()), (None, 502, 3));
}

#[tokio::test]
async fn the_next_upstream_is_tried_when_the_first_is_not_there() {
    let world = World::start().await;
    assert_eq!(world.chat("failover", "").id("failover").send().await.status, 200);
    let event = world.event("failover").await;
    let attempts: Vec<_> =
        event.attempts.iter().map(|attempt| (attempt.kind.as_str(), attempt.outcome.as_str())).collect();
    assert_eq!(attempts, [("primary", "upstream_error"), ("retry", "success")]);
    assert_eq!((event.upstream.as_str(), event.cost_nanos), ("second", COST_OF_FIVE_AND_FOUR));
    assert_eq!(world.stream("failover", "").send().await.words(), 4);
}

#[tokio::test]
async fn a_silent_upstream_is_a_timeout_and_is_cancelled() {
    let world = World::start().await;
    let answer = world.chat("impatient", "delay-60000").id("silent").send().await;
    assert_eq!(answer.error(), (504, "upstream_timeout".to_owned()));
    world.upstream_counts(|counters| counters.cancelled == 1).await;
    assert_eq!(world.event("silent").await.outcome, "upstream_timeout");
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_passed_on() {
    let world = World::with_settings(|settings| settings.max_answer_bytes = 300).await;
    let answer = world.chat("chat", "").send().await;
    assert_eq!(answer.error(), (502, "upstream_error".to_owned()));
}

#[tokio::test]
async fn without_a_dialect_of_ours_an_upstream_is_left_out() {
    let world = World::with_model(|url| {
        let foreign =
            maas_events::state::UpstreamState { dialect: "telegraph".to_owned(), ..fixtures::upstream(url, "x") };
        fixtures::model("mixed", vec![foreign, fixtures::upstream(url, "sim-chat")])
    })
    .await;
    assert_eq!(world.chat("mixed", "").send().await.status, 200);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    let own = SimulatedUpstream::start().unwrap();
    let (port, base_url) = (own.address().port(), own.base_url());
    let world =
        World::with_model(move |_| fixtures::model("restarts", vec![fixtures::upstream(&base_url, "sim-chat")])).await;
    for _ in 0..4 {
        assert_eq!(world.chat("restarts", "").send().await.status, 200);
    }
    own.stop().await.unwrap();
    let _again = SimulatedUpstream::start_with_options(Options { port, ..Options::default() }).unwrap();
    for _ in 0..4 {
        assert_eq!(world.chat("restarts", "").send().await.status, 200);
    }
}
