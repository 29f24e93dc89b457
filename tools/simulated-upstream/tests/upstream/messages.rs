//! Anthropic's Messages: whole, streamed, with tools and thinking, and their errors.

use crate::support::{Answer, call_with, counters_become};
use maas_simulated_upstream::{Behaviour, Operation, SimulatedUpstream};
use serde_json::{Value, json};

const HEADERS: &str = "x-api-key: test-key\r\nanthropic-version: 2023-06-01\r\n";
const TOOLS: &str = r#""tools":[{"name":"weather","input_schema":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}]"#;

async fn messages(upstream: &SimulatedUpstream, modifiers: &str, more: &str) -> Answer {
    let comma = if more.is_empty() { "" } else { "," };
    let body = format!(
        r#"{{"model":"sim-chat","max_tokens":4,"system":"be brief","messages":[{{"role":"user","content":"one two three"}}],"metadata":{{"user_id":"sim:{modifiers}"}}{comma}{more}}}"#
    );
    call_with(upstream, "POST", "/v1/messages?beta=true", HEADERS, &body).await
}

fn events(answer: &Answer) -> Vec<(String, Value)> {
    let chunks = answer.chunks();
    let names = answer.body.lines().filter_map(|line| line.strip_prefix("event: "));
    let events: Vec<_> = names.map(str::to_owned).zip(chunks).collect();
    assert!(events.iter().all(|(name, data)| data["type"] == *name), "{}", answer.body);
    events
}

#[tokio::test]
async fn a_message_has_text_a_stop_reason_and_usage() {
    let upstream = SimulatedUpstream::start().unwrap();
    let json = messages(&upstream, "cached-2+cache-creation-1", "").await.json();
    assert_eq!(json["content"], json!([{"type": "text", "text": "steady rivers carry small "}]));
    assert_eq!((&json["stop_reason"], &json["stop_sequence"]), (&json!("max_tokens"), &Value::Null));
    let usage = &json["usage"];
    assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&json!(2), &json!(4)));
    assert_eq!((&usage["cache_read_input_tokens"], &usage["cache_creation_input_tokens"]), (&json!(2), &json!(1)));
    let counters = upstream.counters().of(Operation::Messages);
    assert_eq!((counters.completed, counters.input_tokens, counters.output_tokens), (1, 5, 4));
}

#[tokio::test]
async fn a_streamed_message_brings_its_events_in_order() {
    let upstream = SimulatedUpstream::start().unwrap();
    let answer = messages(&upstream, "tokens-2", r#""stream":true"#).await;
    let events = events(&answer);
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(names, expected);
    assert_eq!(events[0].1["message"]["usage"]["input_tokens"], 5);
    assert_eq!(events[6].1["usage"]["output_tokens"], 2);
    assert_eq!(events[6].1["delta"]["stop_reason"], "end_turn");
    counters_become(&upstream, |counters| counters.completed == 1 && counters.output_tokens == 2).await;
}

#[tokio::test]
async fn tools_are_called_with_arguments_that_fit() {
    let upstream = SimulatedUpstream::start().unwrap();
    let json = messages(&upstream, "tool-call", TOOLS).await.json();
    assert_eq!(json["stop_reason"], "tool_use");
    assert_eq!(json["content"][0]["input"], json!({"city": "steady"}));

    let streamed = messages(&upstream, "tool-call", &format!(r#"{TOOLS},"stream":true"#)).await;
    let events = events(&streamed);
    assert_eq!(events[1].1["content_block"]["name"], "weather");
    let parts = events.iter().filter_map(|(_, data)| data["delta"]["partial_json"].as_str());
    assert_eq!(serde_json::from_str::<Value>(&parts.collect::<String>()).unwrap(), json["content"][0]["input"]);
    let upstream_counted = upstream.counters().output_tokens;
    assert_eq!(upstream_counted, 2 * json["usage"]["output_tokens"].as_u64().unwrap());
}

#[tokio::test]
async fn thinking_comes_before_the_text_and_is_sealed() {
    let upstream = SimulatedUpstream::start().unwrap();
    let json = messages(&upstream, "tokens-1", r#""thinking":{"type":"enabled","budget_tokens":1024}"#).await.json();
    assert_eq!(json["content"][0]["thinking"], "steady rivers carry ");
    assert_eq!((&json["content"][1]["type"], &json["usage"]["output_tokens"]), (&json!("text"), &json!(4)));
    let streamed = messages(&upstream, "thinking-1+tokens-1", r#""stream":true"#).await;
    let deltas: Vec<_> = events(&streamed)
        .into_iter()
        .filter_map(|(_, data)| Some(data["delta"]["type"].as_str()?.to_owned()))
        .collect();
    assert_eq!(deltas, ["thinking_delta", "signature_delta", "text_delta"]);
}

#[tokio::test]
async fn a_stop_sequence_ends_the_text() {
    let upstream = SimulatedUpstream::start().unwrap();
    let json = messages(&upstream, "tokens-9", r#""stop_sequences":["carry"]"#).await.json();
    assert_eq!((&json["stop_reason"], &json["stop_sequence"]), (&json!("stop_sequence"), &json!("carry")));
    assert_eq!(json["content"][0]["text"], "steady rivers ");
}

#[tokio::test]
async fn errors_have_anthropics_shape() {
    let upstream = SimulatedUpstream::start().unwrap();
    let cases = [
        ("overloaded", 529, "overloaded_error"),
        ("rate-limited", 429, "rate_limit_error"),
        ("context-overflow", 400, "invalid_request_error"),
        ("internal", 500, "api_error"),
    ];
    for (name, status, kind) in cases {
        let answer = messages(&upstream, &format!("error-{name}"), "").await;
        assert_eq!((answer.status, &answer.json()["error"]["type"]), (status, &json!(kind)));
        assert_eq!(answer.json()["type"], "error");
    }
    let streamed = messages(&upstream, "fault-error-frame", r#""stream":true"#).await;
    assert_eq!(events(&streamed).last().unwrap().1["error"]["type"], "overloaded_error");
    assert_eq!(upstream.counters().broken, 1);
}

#[tokio::test]
async fn key_and_version_are_asked_for() {
    let behaviour = Behaviour { required_api_key: Some("test-key".to_owned()), ..Behaviour::default() };
    let upstream = SimulatedUpstream::start_with(behaviour).unwrap();
    let body = r#"{"model":"sim-chat","max_tokens":1,"messages":[]}"#;
    // `call_with` always sends the bearer, which is no key here.
    let no_key = call_with(&upstream, "POST", "/v1/messages", "anthropic-version: 2023-06-01\r\n", body).await;
    assert_eq!((no_key.status, &no_key.json()["error"]["type"]), (401, &json!("authentication_error")));
    let no_version = call_with(&upstream, "POST", "/v1/messages", "x-api-key: test-key\r\n", body).await;
    assert_eq!(no_version.status, 400);
    assert_eq!(call_with(&upstream, "POST", "/v1/messages", HEADERS, body).await.status, 200);
    let models = call_with(&upstream, "GET", "/v1/models?limit=1000", HEADERS, "").await.json();
    assert_eq!((&models["data"][0]["type"], &models["has_more"]), (&json!("model"), &json!(false)));
}

#[tokio::test]
async fn tokens_are_counted_without_an_answer() {
    let upstream = SimulatedUpstream::start().unwrap();
    let body =
        r#"{"model":"sim-chat","system":"a b","messages":[{"role":"user","content":[{"type":"text","text":"c d"}]}]}"#;
    let answer = call_with(&upstream, "POST", "/v1/messages/count_tokens", HEADERS, body).await;
    assert_eq!(answer.json(), json!({"input_tokens": 4}));
    assert_eq!(upstream.counters().requests_of(Operation::CountTokens), 1);
}
