//! Clients of Anthropic's Messages, on upstreams that speak it and on those that only know chat completions: the client
//! cannot tell the difference.

use maas_events::{state::UpstreamState, usage::Quality};
use serde_json::{Value, json};

use crate::{
    fixtures,
    http::Answer,
    world::{COST_OF_FIVE_AND_FOUR, MESSAGES, World, message_body},
};

/// Served natively by an upstream beside chat, by Anthropic itself, and by translation.
pub const MODELS: [&str; 3] = ["native", "claude", "chat"];
pub const VERSION: (&str, &str) = ("anthropic-version", "2023-06-01");

fn tools(body: Value) -> Value {
    let tool = json!({
        "name": "look_up",
        "description": "Looks something up.",
        "input_schema": {"type": "object", "properties": {"what": {"type": "string"}}, "required": ["what"]},
    });
    let mut body = body;
    body["tools"] = json!([tool]);
    body
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// The pieces of one kind of delta, put together.
fn joined(answer: &Answer, member: &str) -> String {
    let deltas = answer.events_named("content_block_delta");
    deltas.iter().filter_map(|event| event["delta"][member].as_str()).collect()
}

#[tokio::test]
async fn a_whole_message_is_the_same_from_every_upstream() {
    let world = World::start().await;
    for model in MODELS {
        let answer = world.message(model, "").header(VERSION.0, VERSION.1).id(model).send().await;
        let message = answer.json();
        assert_eq!((answer.status, &message["type"], &message["role"]), (200, &json!("message"), &json!("assistant")));
        assert_eq!((&message["model"], &message["stop_reason"]), (&json!(model), &json!("end_turn")), "{model}");
        assert!(message["id"].as_str().unwrap().starts_with("msg_"), "{model}");
        assert_eq!(message["content"].as_array().unwrap().len(), 1, "{model}");
        assert_eq!(words(message["content"][0]["text"].as_str().unwrap()), 4, "{model}");
        assert_eq!((&message["usage"]["input_tokens"], &message["usage"]["output_tokens"]), (&json!(5), &json!(4)));
        let event = world.event(model).await;
        let tokens = event.tokens.unwrap();
        assert_eq!((tokens.input, tokens.output, event.quality()), (5, 4, Quality::Exact), "{model}");
        assert_eq!((event.operation.as_str(), event.cost_nanos), ("messages", COST_OF_FIVE_AND_FOUR), "{model}");
    }
}

#[tokio::test]
async fn a_streamed_message_is_the_same_from_every_upstream() {
    let world = World::start().await;
    for model in MODELS {
        let answer = world.message_stream(model, "").header(VERSION.0, VERSION.1).id(model).send().await;
        assert!(answer.header("content-type").unwrap().starts_with("text/event-stream"), "{answer:?}");
        let events: Vec<_> = answer.events().into_iter().filter(|(name, _)| name != "ping").collect();
        let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[..2], ["message_start", "content_block_start"], "{model}");
        assert_eq!(names[names.len() - 3..], ["content_block_stop", "message_delta", "message_stop"], "{model}");
        assert_eq!(events[0].1["message"]["model"], model);
        assert_eq!(words(&joined(&answer, "text")), 4, "{model}");
        let end = &answer.events_named("message_delta")[0];
        assert_eq!((&end["delta"]["stop_reason"], &end["usage"]["output_tokens"]), (&json!("end_turn"), &json!(4)));
        let event = world.event(model).await;
        let tokens = event.tokens.unwrap();
        assert_eq!((tokens.input, tokens.output, event.quality()), (5, 4, Quality::Exact), "{model}");
        assert_eq!((event.outcome.as_str(), event.cost_nanos), ("success", COST_OF_FIVE_AND_FOUR), "{model}");
    }
}

#[tokio::test]
async fn tools_are_called_through_every_upstream() {
    let world = World::start().await;
    for model in MODELS {
        let body = tools(message_body(model, "tool-call"));
        let message = world.post(MESSAGES, &body).header(VERSION.0, VERSION.1).send().await.json();
        let call = &message["content"][0];
        assert_eq!((&message["stop_reason"], &call["type"]), (&json!("tool_use"), &json!("tool_use")), "{message}");
        assert_eq!(call["name"], "look_up");
        assert!(call["input"]["what"].is_string(), "{message}");

        let mut body = body;
        body["stream"] = json!(true);
        let streamed = world.post(MESSAGES, &body).header(VERSION.0, VERSION.1).send().await;
        assert_eq!(streamed.events_named("content_block_start")[0]["content_block"]["name"], "look_up", "{model}");
        let input: Value = serde_json::from_str(&joined(&streamed, "partial_json")).unwrap();
        assert_eq!(input, call["input"], "{model}");
        assert_eq!(streamed.events_named("message_delta")[0]["delta"]["stop_reason"], "tool_use", "{model}");
    }
}

#[tokio::test]
async fn a_conversation_with_a_tools_result_goes_on() {
    let world = World::start().await;
    for model in MODELS {
        let mut body = tools(message_body(model, "tool-call"));
        body["system"] = json!("Be brief.");
        body["messages"] = json!([
            {"role": "user", "content": "Where is it?"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {"what": "it"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "on the table"}]},
        ]);
        let message = world.post(MESSAGES, &body).header(VERSION.0, VERSION.1).send().await.json();
        assert_eq!(
            (&message["stop_reason"], words(message["content"][0]["text"].as_str().unwrap())),
            (&json!("end_turn"), 4)
        );
    }
}

#[tokio::test]
async fn what_cannot_be_said_to_the_upstream_is_named() {
    let world = World::start().await;
    let mut body = message_body("chat", "");
    body["mcp_servers"] = json!([{"type": "url", "url": "https://tools.example", "name": "x"}]);
    let answer = world.post(MESSAGES, &body).id("mcp").send().await;
    assert_eq!(answer.messages_error(), (400, "invalid_request_error".to_owned()));
    assert!(answer.text().contains("mcp_servers"), "{}", answer.text());
    assert_eq!(world.event("mcp").await.error_code, "unsupported_parameter");
    assert!(world.upstream.last_requests().is_empty());
}

#[tokio::test]
async fn tokens_are_counted_by_the_upstream_or_estimated() {
    let world = World::start().await;
    let mut body = message_body("claude", "");
    body.as_object_mut().unwrap().remove("max_tokens");
    for model in ["claude", "native"] {
        body["model"] = json!(model);
        let request = world.post("/v1/messages/count_tokens", &body).header(VERSION.0, VERSION.1);
        assert_eq!(request.id(model).send().await.json(), json!({"input_tokens": 5}), "{model}");
        let event = world.event(model).await;
        assert_eq!(
            (event.operation.as_str(), event.cost_nanos, event.attempts.len()),
            ("count_tokens", 0, 1),
            "{model}"
        );
    }
    let asked = world.upstream.last_requests().len();
    body["model"] = json!("chat");
    let estimated = world.post("/messages/count_tokens", &body).id("estimated").send().await;
    assert!((5..40).contains(&estimated.json()["input_tokens"].as_u64().unwrap()), "{estimated:?}");
    let event = world.event("estimated").await;
    assert_eq!((event.outcome.as_str(), event.cost_nanos, event.attempts.len()), ("success", 0, 0));
    assert_eq!(world.upstream.last_requests().len(), asked);
    let wrong = world.post("/v1/messages/count_tokens", &json!({"model": "chat", "messages": 7})).send().await;
    assert_eq!(wrong.messages_error(), (400, "invalid_request_error".to_owned()));
}

#[tokio::test]
async fn every_manner_of_an_upstream_comes_out_as_the_same_stream() {
    let world = World::start().await;
    for model in MODELS {
        for manner in ["drip", "framing-crlf", "framing-comments", "usage-always", "usage-cumulative", "fault-no-done"]
        {
            let id = format!("{model}-{manner}");
            let answer = world.message_stream(model, manner).header(VERSION.0, VERSION.1).id(&id).send().await;
            assert_eq!(
                (answer.events().last().unwrap().0.as_str(), words(&joined(&answer, "text"))),
                ("message_stop", 4),
                "{id}"
            );
            let event = world.event(&id).await;
            assert_eq!((event.quality(), event.cost_nanos), (Quality::Exact, COST_OF_FIVE_AND_FOUR), "{id}");
        }
    }
}

#[tokio::test]
async fn a_stream_without_a_report_is_estimated_and_whole() {
    let world = World::start().await;
    for model in MODELS {
        let answer = world.message_stream(model, "usage-missing").header(VERSION.0, VERSION.1).id(model).send().await;
        assert_eq!(answer.events().last().unwrap().0, "message_stop", "{model}");
        let event = world.event(model).await;
        assert_eq!((event.quality(), event.outcome.as_str()), (Quality::Estimated, "success"), "{model}");
        assert!(event.tokens.unwrap().input > 0 && event.tokens.unwrap().output > 0, "{model}: {event:?}");
    }
}

#[tokio::test]
async fn the_path_of_claude_code_is_understood() {
    let world = World::start().await;
    let path = "/v1/v1/messages?beta=true";
    assert_eq!(world.post(path, &message_body("chat", "")).send().await.json()["type"], "message");
    let list = world.get("/v1/models?limit=1000").header(VERSION.0, VERSION.1).header("x-api-key", world.key.expose());
    assert_eq!(list.send().await.json()["has_more"], false);
}

#[tokio::test]
async fn what_one_upstream_cannot_be_told_goes_to_another_that_can() {
    let world = World::with_model(|url| {
        let chat_only = fixtures::upstream(url, "sim-chat");
        let native = fixtures::speaking(&["messages"], fixtures::upstream(url, "sim-chat"));
        let native = UpstreamState { name: "native".to_owned(), priority: 1, ..native };
        fixtures::model("mixed", vec![chat_only, native])
    })
    .await;
    let mut body = message_body("mixed", "");
    body["mcp_servers"] = json!([{"type": "url", "url": "https://tools.example", "name": "x"}]);
    let answer = world.post(MESSAGES, &body).header(VERSION.0, VERSION.1).id("mixed").send().await;
    assert_eq!((answer.status, &answer.json()["type"]), (200, &json!("message")), "{answer:?}");
    let event = world.event("mixed").await;
    assert_eq!((event.upstream.as_str(), event.attempts.len()), ("native", 1), "who was not called is no attempt");
    // What fails at the one that can is told, and not that the other cannot.
    body["metadata"]["user_id"] = json!("sim:error-unauthorized");
    let failed = world.post(MESSAGES, &body).header(VERSION.0, VERSION.1).send().await;
    assert_eq!(failed.messages_error(), (502, "api_error".to_owned()));
}
