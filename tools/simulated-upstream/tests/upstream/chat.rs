//! Chat beyond plain text: tools, reasoning, several choices, images, demanded JSON, cached tokens.

use crate::support::{Answer, call, chat};
use maas_simulated_upstream::SimulatedUpstream;
use serde_json::{Value, json};

const TOOLS: &str = r#","tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city","days"]}}}]"#;
const STREAM: &str = r#","stream":true,"stream_options":{"include_usage":true}"#;

fn deltas(answer: &Answer) -> Vec<Value> {
    answer.chunks().iter().filter_map(|chunk| chunk["choices"][0].get("delta").cloned()).collect()
}

fn finish_reason(answer: &Answer) -> Value {
    let chunks = answer.chunks();
    chunks.iter().map(|chunk| chunk["choices"][0]["finish_reason"].clone()).find(|reason| !reason.is_null()).unwrap()
}

#[tokio::test]
async fn a_tool_is_called_whole_and_in_fragments() {
    let upstream = SimulatedUpstream::start().unwrap();
    let json = chat(&upstream, "sim-chat+tool-call", TOOLS).await.json();
    let choice = &json["choices"][0];
    assert_eq!((&choice["finish_reason"], &choice["message"]["content"]), (&json!("tool_calls"), &Value::Null));
    let function = &choice["message"]["tool_calls"][0]["function"];
    assert_eq!(
        (&function["name"], &function["arguments"]),
        (&json!("weather"), &json!(r#"{"city":"steady","days":7}"#))
    );

    let streamed = chat(&upstream, "sim-chat+tool-call", &format!("{TOOLS}{STREAM}")).await;
    let calls: Vec<Value> =
        deltas(&streamed).iter().filter_map(|delta| delta.get("tool_calls").map(|calls| calls[0].clone())).collect();
    assert_eq!((&calls[0]["index"], &calls[0]["function"]["name"]), (&json!(0), &json!("weather")));
    assert!(calls[0]["id"].is_string() && calls[1].get("id").is_none());
    let arguments: String = calls.iter().map(|call| call["function"]["arguments"].as_str().unwrap()).collect();
    assert_eq!(arguments, function["arguments"]);
    assert_eq!(finish_reason(&streamed), "tool_calls");
    assert_eq!(streamed.chunks().pop().unwrap()["usage"], json["usage"]);
}

#[tokio::test]
async fn several_tool_calls_have_an_index_unless_it_is_left_out() {
    let upstream = SimulatedUpstream::start().unwrap();
    let more = format!("{TOOLS}{STREAM}");
    let indexes = |answer: &Answer| -> Vec<Value> {
        let calls = deltas(answer).into_iter().filter_map(|delta| delta.get("tool_calls").cloned());
        calls.filter(|calls| calls[0].get("id").is_some()).map(|calls| calls[0]["index"].clone()).collect()
    };
    assert_eq!(indexes(&chat(&upstream, "sim-chat+tool-calls-2", &more).await), [0, 1]);
    let without = chat(&upstream, "sim-chat+tool-calls-2+tool-no-index", &more).await;
    assert_eq!(indexes(&without), [Value::Null, Value::Null]);
    assert!(!without.body.contains(r#""tool_calls":[{"index""#));
}

#[tokio::test]
async fn tools_are_called_once_and_only_if_wanted() {
    let upstream = SimulatedUpstream::start().unwrap();
    let ask = async |model: &str, messages: &str, more: &str| {
        let body = format!(r#"{{"model":"{model}","messages":[{messages}]{TOOLS}{more}}}"#);
        let json = call(&upstream, "POST", "/v1/chat/completions", &body).await.json();
        json["choices"][0]["finish_reason"].as_str().unwrap().to_owned()
    };
    let question = r#"{"role":"user","content":"x"}"#;
    let result = r#"{"role":"user","content":"x"},{"role":"tool","tool_call_id":"1","content":"sunny"}"#;
    assert_eq!(ask("sim-chat", question, "").await, "stop");
    assert_eq!(ask("sim-chat", question, r#","tool_choice":"required""#).await, "tool_calls");
    assert_eq!(ask("sim-chat+tool-call", question, r#","tool_choice":"none""#).await, "stop");
    assert_eq!(ask("sim-chat+tool-call", result, "").await, "stop");
}

#[tokio::test]
async fn reasoning_comes_first_and_is_counted() {
    let upstream = SimulatedUpstream::start().unwrap();
    let json = chat(&upstream, "sim-chat+reasoning-2+tokens-3", "").await.json();
    assert_eq!(json["choices"][0]["message"]["reasoning_content"], "steady rivers ");
    assert_eq!(json["usage"]["completion_tokens"], 5);
    assert_eq!(json["usage"]["completion_tokens_details"]["reasoning_tokens"], 2);
    let other = "sim-chat+reasoning-2+tokens-3+reasoning-field-reasoning";
    let streamed = deltas(&chat(&upstream, other, STREAM).await);
    let names: Vec<&String> = streamed.iter().filter_map(|delta| delta.as_object()?.keys().next_back()).collect();
    assert_eq!(names, ["role", "reasoning", "reasoning", "content", "content", "content"]);
}

#[tokio::test]
async fn each_choice_is_whole_and_counted() {
    let upstream = SimulatedUpstream::start().unwrap();
    let json = chat(&upstream, "sim-chat+tokens-3", r#","n":2"#).await.json();
    assert_eq!((&json["choices"][1]["index"], &json["usage"]["completion_tokens"]), (&json!(1), &json!(6)));
    let streamed = chat(&upstream, "sim-chat+tokens-3", &format!(r#","n":2{STREAM}"#)).await;
    let chunks = streamed.chunks();
    let of_second = chunks.iter().filter(|chunk| chunk["choices"][0]["index"] == 1);
    let text: String = of_second.filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(json["choices"][1]["message"]["content"], text);
    assert_eq!(chunks.last().unwrap()["usage"], json["usage"]);
    assert_eq!(chat(&upstream, "sim-chat", r#","n":0"#).await.status, 400);
}

#[tokio::test]
async fn images_and_cached_tokens_are_counted() {
    let upstream = SimulatedUpstream::start().unwrap();
    let body = r#"{"model":"sim-chat","user":"sim:usage-cached","messages":[{"role":"user","content":[
        {"type":"text","text":"what is this"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]}]}"#;
    let usage = call(&upstream, "POST", "/v1/chat/completions", body).await.json()["usage"].clone();
    assert_eq!((&usage["prompt_tokens"], &usage["prompt_tokens_details"]["cached_tokens"]), (&json!(88), &json!(2)));
    assert_eq!(upstream.counters().input_tokens, 88);
}

#[tokio::test]
async fn demanded_json_fits_its_schema() {
    let upstream = SimulatedUpstream::start().unwrap();
    let format = r#","response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"object","properties":{"ok":{"type":"boolean"}}}}}"#;
    let json = chat(&upstream, "sim-chat", format).await.json();
    assert_eq!(json["choices"][0]["message"]["content"], r#"{"ok":true}"#);
    let streamed = deltas(&chat(&upstream, "sim-chat", &format!("{format}{STREAM}")).await);
    let text: String = streamed.iter().filter_map(|delta| delta["content"].as_str()).collect();
    assert_eq!(text, r#"{"ok":true}"#);
}
