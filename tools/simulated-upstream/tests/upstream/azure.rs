//! Azure's paths, key and additions.

use crate::support::{Answer, call_with};
use maas_simulated_upstream::{Behaviour, SimulatedUpstream};
use serde_json::{Value, json};

const KEY: &str = "api-key: azure-key\r\n";
const CHAT: &str = "/openai/deployments/sim-chat/chat/completions?api-version=2024-10-21";

async fn chat(upstream: &SimulatedUpstream, path: &str, headers: &str, more: &str) -> Answer {
    let body = format!(r#"{{"messages":[{{"role":"user","content":"one two"}}]{more}}}"#);
    call_with(upstream, "POST", path, headers, &body).await
}

#[tokio::test]
async fn the_deployment_is_the_model_and_the_answer_names_what_is_behind_it() {
    let upstream = SimulatedUpstream::start().unwrap();
    let json = chat(&upstream, CHAT, KEY, r#","user":"sim:tokens-2""#).await.json();
    assert_eq!((&json["model"], &json["usage"]["completion_tokens"]), (&json!("sim-chat-2025-01-01"), &json!(2)));
    assert_eq!(json["prompt_filter_results"][0]["content_filter_results"]["hate"]["filtered"], false);
    assert_eq!(json["choices"][0]["content_filter_results"]["violence"]["severity"], "safe");
    assert_eq!(upstream.counters().models["sim-chat"].completed, 1);
    let embeddings = "/openai/deployments/sim-embed/embeddings?api-version=2024-10-21";
    let answer = call_with(&upstream, "POST", embeddings, KEY, r#"{"input":"a"}"#).await;
    assert_eq!(answer.json()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_stream_begins_with_a_chunk_without_choices() {
    let upstream = SimulatedUpstream::start().unwrap();
    let chunks = chat(&upstream, CHAT, KEY, r#","stream":true,"user":"sim:tokens-1""#).await.chunks();
    assert_eq!((&chunks[0]["choices"], &chunks[0]["id"], &chunks[0]["model"]), (&json!([]), &json!(""), &json!("")));
    assert!(chunks[0]["prompt_filter_results"].is_array());
    let texts: Vec<&Value> = chunks[1..].iter().map(|chunk| &chunk["choices"][0]["delta"]["content"]).collect();
    assert_eq!(texts, [&json!(""), &json!("steady "), &Value::Null]);
}

#[tokio::test]
async fn key_version_and_deployment_are_checked() {
    let required_api_key = Some("azure-key".to_owned());
    let upstream = SimulatedUpstream::start_with(Behaviour { required_api_key, ..Behaviour::default() }).unwrap();
    assert_eq!(chat(&upstream, CHAT, KEY, "").await.status, 200);
    let no_key = chat(&upstream, CHAT, "", "").await;
    assert_eq!((no_key.status, &no_key.json()["error"]["code"]), (401, &json!("401")));
    let no_version = chat(&upstream, "/openai/deployments/sim-chat/chat/completions", KEY, "").await;
    assert_eq!((no_version.status, &no_version.json()["error"]["code"]), (404, &json!("404")));
    let unknown = chat(&upstream, &CHAT.replace("sim-chat", "other"), KEY, "").await;
    assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (404, &json!("DeploymentNotFound")));
}

#[tokio::test]
async fn newer_paths_name_the_model_in_the_body() {
    let upstream = SimulatedUpstream::start().unwrap();
    let answer = chat(&upstream, "/openai/v1/chat/completions", KEY, r#","model":"sim-chat""#).await;
    assert_eq!(answer.json()["model"], "sim-chat");
    let response =
        call_with(&upstream, "POST", "/openai/v1/responses", KEY, r#"{"model":"sim-chat","input":"x"}"#).await;
    assert_eq!(response.json()["object"], "response");
    assert_eq!(chat(&upstream, "/openai/v1/chat/completions", KEY, "").await.status, 400);
}
