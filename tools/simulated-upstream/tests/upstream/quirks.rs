//! What real servers were seen to do: odd errors, a bad health, and faults below HTTP.

use std::io::ErrorKind;

use crate::support::{call, chat, chat_body, connect_and_send};
use maas_simulated_upstream::{Behaviour, ErrorAnswer, RecordedRequest, SimulatedUpstream};
use serde_json::json;
use tokio::io::AsyncReadExt;

/// Everything that comes, and how it ends.
async fn raw(upstream: &SimulatedUpstream, modifier: &str) -> (String, Option<ErrorKind>) {
    let body = chat_body(&format!("sim-chat+tokens-3+{modifier}"), "");
    let mut connection = connect_and_send(upstream, "POST", "/v1/chat/completions", &body).await;
    let mut bytes = Vec::new();
    let end = connection.read_to_end(&mut bytes).await.err().map(|error| error.kind());
    (String::from_utf8_lossy(&bytes).into_owned(), end)
}

fn declared_length(answer: &str) -> usize {
    let length = answer.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    length.parse().unwrap()
}

#[tokio::test]
async fn connections_can_end_before_and_within_the_head() {
    let upstream = SimulatedUpstream::start().unwrap();
    assert_eq!(raw(&upstream, "connection-reset").await, (String::new(), Some(ErrorKind::ConnectionReset)));
    let (half, end) = raw(&upstream, "connection-half-head").await;
    assert!(half.starts_with("HTTP/1.1 200 OK\r\ncontent-type") && !half.contains("\r\n\r\n") && end.is_none());
    let (garbage, _) = raw(&upstream, "connection-garbage").await;
    assert!(!garbage.contains("HTTP/1.1"));
}

#[tokio::test]
async fn heads_can_be_huge_slow_and_second() {
    let upstream = SimulatedUpstream::start().unwrap();
    let (huge, _) = raw(&upstream, "connection-huge-head").await;
    assert!(huge.find("\r\n\r\n").unwrap() > 64 * 1024 && huge.contains(r#""completion_tokens":3"#));
    let started = std::time::Instant::now();
    let (slow, _) = raw(&upstream, "connection-slow-head+chunk-delay-5").await;
    assert!(started.elapsed().as_millis() >= 50 && slow.contains(r#""completion_tokens":3"#));
    let (second, _) = raw(&upstream, "connection-early-hints").await;
    assert!(second.starts_with("HTTP/1.1 103 ") && second.contains("\r\n\r\nHTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn lengths_can_be_wrong_or_missing() {
    let upstream = SimulatedUpstream::start().unwrap();
    for (modifier, off) in [("connection-long-length", 10), ("connection-short-length", -10)] {
        let (answer, _) = raw(&upstream, modifier).await;
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        assert_eq!(declared_length(&answer) as i64 - body.len() as i64, off, "{modifier}");
    }
    let (answer, _) = raw(&upstream, "connection-no-length").await;
    assert!(!answer.contains("content-length") && answer.contains(r#""completion_tokens":3"#));
}

#[tokio::test]
async fn the_server_goes_on_after_every_fault() {
    let upstream = SimulatedUpstream::start().unwrap();
    for fault in ["reset", "half-head", "huge-head", "long-length", "short-length", "no-length", "garbage"] {
        raw(&upstream, &format!("connection-{fault}")).await;
    }
    assert_eq!(chat(&upstream, "sim-chat", "").await.status, 200);
}

#[tokio::test]
async fn first_failures_are_counted_for_each_label() {
    let upstream = SimulatedUpstream::start().unwrap();
    let mut statuses = Vec::new();
    for modifiers in ["fail-first-1-a", "fail-first-1-b+error-rate-limited", "fail-first-1-a", "fail-first-1-b"] {
        statuses.push(chat(&upstream, &format!("sim-chat+{modifiers}"), "").await.status);
    }
    assert_eq!(statuses, [503, 429, 200, 200]);
    upstream.reset();
    assert_eq!(chat(&upstream, "sim-chat+fail-first-1-a", "").await.status, 503);
}

#[tokio::test]
async fn errors_can_be_flat_come_under_200_and_name_a_quota() {
    let upstream = SimulatedUpstream::start().unwrap();
    let flat = chat(&upstream, "sim-chat+flat-errors+error-context-overflow", "").await.json();
    assert_eq!((&flat["object"], &flat["code"]), (&json!("error"), &json!(400)));
    assert!(flat["message"].as_str().unwrap().contains("maximum context length"));

    let whole = chat(&upstream, "sim-chat+error-under-ok", "").await;
    assert!(whole.status == 200 && whole.json()["error"]["message"].is_string());
    let streamed = chat(&upstream, "sim-chat+error-under-ok", r#","stream":true"#).await;
    assert!(streamed.status == 200 && streamed.head.contains("text/event-stream"));
    assert!(streamed.chunks().len() == 1 && streamed.chunks()[0]["error"]["message"].is_string());

    let quota = chat(&upstream, "sim-chat+error-quota", "").await;
    assert_eq!((quota.status, &quota.json()["error"]["code"]), (429, &json!("insufficient_quota")));
    let statuses =
        [("bad-request", 400), ("forbidden", 403), ("too-large", 413), ("timeout", 504), ("overloaded", 529)];
    for (name, status) in statuses {
        assert_eq!(chat(&upstream, &format!("sim-chat+error-{name}"), "").await.status, status);
    }
}

#[tokio::test]
async fn health_can_be_bad_while_answers_are_good() {
    let upstream = SimulatedUpstream::start().unwrap();
    upstream.set_healthy(false);
    for path in ["/health", "/v1/health"] {
        assert_eq!(call(&upstream, "GET", path, "").await.status, 503);
    }
    assert_eq!(chat(&upstream, "sim-chat", "").await.status, 200);
    assert_eq!(call(&upstream, "POST", "/_behaviour", r#"{"health_status":200}"#).await.status, 204);
    assert_eq!(call(&upstream, "GET", "/health", "").await.status, 200);
}

#[tokio::test]
async fn a_changed_behaviour_keeps_what_was_counted() {
    let behaviour = Behaviour { error: Some(ErrorAnswer::Unavailable), error_times: Some(1), ..Behaviour::default() };
    let upstream = SimulatedUpstream::start_with(behaviour).unwrap();
    assert_eq!(chat(&upstream, "sim-chat", "").await.status, 503);
    upstream.change_behaviour(|behaviour| behaviour.changing_created = true);
    assert_eq!(chat(&upstream, "sim-chat", "").await.status, 200);
    let created = async || call(&upstream, "GET", "/v1/models", "").await.json()["data"][0]["created"].clone();
    assert_ne!(created().await, created().await);
}

#[tokio::test]
async fn another_process_reads_what_came_without_credentials() {
    let upstream = SimulatedUpstream::start().unwrap();
    call(&upstream, "GET", "/v1/models?limit=7", "").await;
    chat(&upstream, "sim-chat", "").await;
    let listed = call(&upstream, "GET", "/_requests", "").await;
    let requests: Vec<RecordedRequest> = serde_json::from_str(&listed.body).unwrap();
    assert_eq!((requests[0].path.as_str(), requests[0].query.as_str()), ("/v1/models", "limit=7"));
    assert_eq!(requests[1].header("authorization"), Some("(hidden)"));
    assert_eq!(requests[1].body_bytes, chat_body("sim-chat", "").len() as u64);
    assert!(!listed.body.contains("test-key"));
    assert_eq!(upstream.requests_to("/chat/completions")[0].header("authorization"), Some("Bearer test-key"));
}
