//! Answers without streaming, errors, the key, and what is recorded.

use crate::support::{call, chat};
use base64::Engine;
use maas_simulated_upstream::{Behaviour, Counters, ErrorAnswer, Operation, SimulatedUpstream, UsageMode};

#[tokio::test]
async fn chat_answers_the_same_words_and_counts_tokens() {
    let upstream = SimulatedUpstream::start().unwrap();
    let answer = chat(&upstream, "sim/llama-3.1-8b", r#","max_tokens":7"#).await;
    assert_eq!(answer.status, 200);
    let json = answer.json();
    assert_eq!(json["model"], "sim/llama-3.1-8b");
    assert_eq!(json["choices"][0]["finish_reason"], "length");
    let content = json["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(content.split_whitespace().count(), 7);
    assert_eq!(json["usage"], serde_json::json!({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}));

    let counters = upstream.counters();
    assert_eq!((counters.completed, counters.input_tokens, counters.output_tokens), (1, 5, 7));
    assert_eq!(counters.models["sim/llama-3.1-8b"].output_tokens, 7);
    assert_eq!(counters.requests_of(Operation::ChatCompletions), 1);
}

#[tokio::test]
async fn default_answer_is_about_a_kilobyte() {
    let upstream = SimulatedUpstream::start().unwrap();
    let answer = chat(&upstream, "sim-chat", "").await;
    assert!((900..1200).contains(&answer.body.len()), "{}", answer.body.len());
}

#[tokio::test]
async fn completions_answer_text() {
    let upstream = SimulatedUpstream::start().unwrap();
    let body = r#"{"model":"sim-chat","prompt":"say it","max_tokens":2}"#;
    let json = call(&upstream, "POST", "/v1/completions", body).await.json();
    assert_eq!(json["object"], "text_completion");
    assert_eq!(json["choices"][0]["text"].as_str().unwrap().split_whitespace().count(), 2);
    assert_eq!(json["usage"]["prompt_tokens"], 2);
}

#[tokio::test]
async fn embeddings_are_the_same_as_numbers_and_as_base64() {
    let upstream = SimulatedUpstream::start().unwrap();
    let ask = async |format: &str| {
        let body =
            format!(r#"{{"model":"sim-embed","input":["a b","c"],"dimensions":4,"encoding_format":"{format}"}}"#);
        call(&upstream, "POST", "/v1/embeddings", &body).await.json()
    };
    let (numbers, coded) = (ask("float").await, ask("base64").await);
    assert_eq!(numbers["data"].as_array().unwrap().len(), 2);
    assert_eq!(numbers["usage"]["total_tokens"], 3);
    let vector: Vec<f64> =
        numbers["data"][1]["embedding"].as_array().unwrap().iter().filter_map(|n| n.as_f64()).collect();
    let bytes =
        base64::engine::general_purpose::STANDARD.decode(coded["data"][1]["embedding"].as_str().unwrap()).unwrap();
    let decoded: Vec<f64> =
        bytes.chunks(4).map(|bytes| f64::from(f32::from_le_bytes(bytes.try_into().unwrap()))).collect();
    assert_eq!((vector.len(), &vector), (4, &decoded));
}

#[tokio::test]
async fn models_are_listed_and_read_with_slashes() {
    let upstream = SimulatedUpstream::start().unwrap();
    let list = call(&upstream, "GET", "/v1/models", "").await.json();
    assert_eq!(list["data"][1]["id"], "sim/llama-3.1-8b");
    assert_eq!(call(&upstream, "GET", "/v1/models/sim/llama-3.1-8b", "").await.json()["id"], "sim/llama-3.1-8b");
    assert_eq!(call(&upstream, "GET", "/v1/models/other", "").await.status, 404);
    assert_eq!(chat(&upstream, "other", "").await.status, 404);
}

#[tokio::test]
async fn every_error_has_its_status_and_shape() {
    let upstream = SimulatedUpstream::start().unwrap();
    let cases = [
        ("context-overflow", 400),
        ("unauthorized", 401),
        ("not-found", 404),
        ("rate-limited", 429),
        ("internal", 500),
        ("unavailable", 503),
    ];
    for (name, status) in cases {
        let answer = chat(&upstream, &format!("sim-chat+error-{name}"), "").await;
        assert_eq!(answer.status, status, "{name}");
        assert_eq!(answer.json()["error"]["code"], status, "{name}");
        assert_eq!(answer.head.contains("retry-after: 1"), matches!(status, 429 | 503), "{name}");
    }
    let html = chat(&upstream, "sim-chat+error-html-page", "").await;
    assert!(html.status == 502 && html.body.starts_with("<html>"));
    let malformed = chat(&upstream, "sim-chat+error-malformed-json", "").await;
    assert!(malformed.status == 200 && serde_json::from_str::<serde_json::Value>(&malformed.body).is_err());
    assert_eq!(chat(&upstream, "sim-chat+error-disconnect", "").await.status, 0);
    assert_eq!(chat(&upstream, "sim-chat+eror", "").await.status, 400);

    let counters = upstream.counters();
    assert_eq!((counters.refused, counters.completed, counters.input_tokens), (10, 0, 0));
}

#[tokio::test]
async fn errors_can_be_limited_in_number() {
    let behaviour = Behaviour { error: Some(ErrorAnswer::Unavailable), error_times: Some(2), ..Behaviour::default() };
    let upstream = SimulatedUpstream::start_with(behaviour).unwrap();
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(chat(&upstream, "sim-chat", "").await.status);
    }
    assert_eq!(statuses, [503, 503, 200]);
}

#[tokio::test]
async fn wrong_key_is_refused_and_health_needs_none() {
    let with_key = |key: &str| Behaviour { required_api_key: Some(key.to_owned()), ..Behaviour::default() };
    let upstream = SimulatedUpstream::start_with(with_key("other-key")).unwrap();
    assert_eq!(chat(&upstream, "sim-chat", "").await.status, 401);
    assert_eq!(call(&upstream, "GET", "/v1/models", "").await.status, 401);
    assert_eq!(call(&upstream, "GET", "/health", "").await.status, 200);
    upstream.set_behaviour(with_key("test-key"));
    assert_eq!(chat(&upstream, "sim-chat", "").await.status, 200);
}

#[tokio::test]
async fn usage_can_be_missing_huge_and_inconsistent() {
    let upstream = SimulatedUpstream::start().unwrap();
    for usage in [UsageMode::Missing, UsageMode::Huge, UsageMode::Inconsistent] {
        upstream.set_behaviour(Behaviour { usage, output_tokens: 3, ..Behaviour::default() });
        let reported = chat(&upstream, "sim-chat", "").await.json()["usage"].clone();
        match usage {
            UsageMode::Missing => assert!(reported.is_null()),
            UsageMode::Huge => assert!(reported["prompt_tokens"].as_u64().unwrap() > 1 << 60),
            _ => assert_eq!(reported["total_tokens"], 1_008),
        }
    }
}

#[tokio::test]
async fn requests_are_recorded_with_headers_and_body() {
    let upstream = SimulatedUpstream::start().unwrap();
    chat(&upstream, "sim-chat", "").await;
    let requests = upstream.last_requests();
    assert_eq!(requests[0].target, "/v1/chat/completions");
    assert_eq!(requests[0].header("authorization"), Some("Bearer test-key"));
    assert!(requests[0].body.contains("one two three"));
}

#[tokio::test]
async fn another_process_can_read_set_and_reset() {
    let upstream = SimulatedUpstream::start().unwrap();
    assert_eq!(call(&upstream, "POST", "/_behaviour", r#"{"output_tokens":2}"#).await.status, 204);
    assert_eq!(call(&upstream, "POST", "/_behaviour", r#"{"output_token":2}"#).await.status, 400);
    assert_eq!(chat(&upstream, "sim-chat", "").await.json()["usage"]["completion_tokens"], 2);
    let counters: Counters = serde_json::from_str(&call(&upstream, "GET", "/_counters", "").await.body).unwrap();
    assert_eq!((counters.completed, counters.output_tokens), (1, 2));
    assert_eq!(call(&upstream, "GET", "/_requests", "").await.json().as_array().unwrap().len(), 1);

    assert_eq!(call(&upstream, "POST", "/_reset", "").await.status, 204);
    assert_eq!(upstream.counters(), Counters::default());
    assert_eq!(call(&upstream, "GET", "/_behaviour", "").await.json()["output_tokens"], 100);
}

#[tokio::test]
async fn a_stopped_server_frees_its_port() {
    let upstream = SimulatedUpstream::start().unwrap();
    let address = upstream.address();
    upstream.stop().await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
