//! What clients of Anthropic's Messages are told when something fails: in its own shape and events, whatever the upstream
//! speaks.

use maas_events::state::UpstreamState;
use serde_json::json;

use crate::{
    fixtures,
    http::checked_messages_error,
    messages::{MODELS, VERSION},
    world::{MESSAGES, SHORTLY, Setup, World, message_body},
};

#[tokio::test]
async fn refusals_before_any_upstream_are_in_anthropics_shape() {
    let world = World::start().await;
    let body = |model: &str| message_body(model, "").to_string();
    let without_key = world.request("POST", MESSAGES).body(body("chat")).send().await;
    assert_eq!(without_key.messages_error(), (401, "authentication_error".to_owned()));
    for (model, status, kind) in [
        ("unheard-of", 404, "not_found_error"),
        ("restricted", 403, "permission_error"),
        ("no-upstream", 503, "overloaded_error"),
    ] {
        assert_eq!(world.message(model, "").send().await.messages_error(), (status, kind.to_owned()), "{model}");
    }
    let broken = world.request("POST", MESSAGES).key(world.key.expose()).body("{").send().await;
    assert_eq!(broken.messages_error(), (400, "invalid_request_error".to_owned()));
    let no_limit = json!({"model": "chat", "messages": [{"role": "user", "content": "a"}]});
    assert_eq!(
        world.post(MESSAGES, &no_limit).send().await.messages_error(),
        (400, "invalid_request_error".to_owned())
    );
}

#[tokio::test]
async fn failures_of_every_upstream_are_in_anthropics_shape() {
    let world = World::start().await;
    world.upstream.change_behaviour(|behaviour| behaviour.retry_after_seconds = 7_200);
    for model in MODELS {
        for (modifier, status, kind) in [
            ("error-rate-limited", 429, "rate_limit_error"),
            ("error-context-overflow", 400, "invalid_request_error"),
            ("error-unauthorized", 502, "api_error"),
            ("error-malformed-json", 502, "api_error"),
        ] {
            let id = format!("{model}-{modifier}");
            let answer = world.message(model, modifier).header(VERSION.0, VERSION.1).id(&id).send().await;
            assert_eq!(answer.messages_error(), (status, kind.to_owned()), "{id}: {answer:?}");
            assert_eq!(u32::from(status), world.event(&id).await.status, "{id}");
        }
    }
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_an_api_error() {
    let world = World::start().await;
    assert_eq!(world.message("dead", "").send().await.messages_error(), (502, "api_error".to_owned()));
    assert_eq!(
        world.message("impatient", "delay-60000").send().await.messages_error(),
        (504, "timeout_error".to_owned())
    );
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_an_error_event() {
    let world = World::start().await;
    for model in MODELS {
        for fault in ["fault-cut", "fault-error-frame", "fault-no-finish-reason"] {
            let id = format!("{model}-{fault}");
            let answer = world.message_stream(model, fault).header(VERSION.0, VERSION.1).id(&id).send().await;
            let events = answer.events();
            let (name, data) = events.last().unwrap();
            assert_eq!(name, "error", "{id}: {}", answer.text());
            checked_messages_error(data);
            assert!(events.iter().all(|(name, _)| name != "message_stop"), "{id}");
            let event = world.event(&id).await;
            assert_eq!((event.outcome.as_str(), event.status), ("upstream_error", 200), "{id}");
            assert!(event.cost_nanos > 0, "{id}: what was relayed is booked");
        }
    }
}

#[tokio::test]
async fn a_stall_ends_with_a_timeout_event() {
    let short = |name: &'static str, dialect: fn(&str) -> UpstreamState| {
        move |url: &str| fixtures::model(name, vec![UpstreamState { gap_timeout_ms: 150, ..dialect(url) }])
    };
    let setup = Setup { models: vec![Box::new(short("short-claude", fixtures::anthropic))], ..Setup::default() };
    let world = World::with(setup).await;
    for model in ["short-claude", "short-gap"] {
        let answer = world.message_stream(model, "fault-stall").id(model).send().await;
        let events = answer.events();
        assert_eq!(events.last().unwrap().1["error"]["type"], "timeout_error", "{model}");
        assert_eq!(world.event(model).await.outcome, "upstream_timeout", "{model}");
    }
    world.upstream_counts(|counters| counters.cancelled == 2).await;
}

#[tokio::test]
async fn while_nothing_comes_there_are_pings_in_anthropics_words() {
    let world = World::with_settings(|settings| settings.ping_interval = SHORTLY).await;
    for model in MODELS {
        let answer = world.message_stream(model, "delay-400").header(VERSION.0, VERSION.1).send().await;
        let events = answer.events();
        assert_eq!((events[0].0.as_str(), events[1].0.as_str()), ("ping", "ping"), "{model}");
        assert_eq!(events.last().unwrap().0, "message_stop", "{model}");
        assert!(answer.frames().iter().all(|frame| frame != ": ping"), "{model}");
        let late = world.message_stream(model, "delay-300+error-internal").header(VERSION.0, VERSION.1).send().await;
        assert_eq!((late.status, late.events().last().unwrap().0.as_str()), (200, "error"), "{model}");
    }
}
