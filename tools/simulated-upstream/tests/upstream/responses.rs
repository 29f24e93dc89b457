//! OpenAI's Responses: created, streamed, read again, and their failures.

use crate::support::{Answer, call, counters_become};
use maas_simulated_upstream::{Operation, SimulatedUpstream};
use serde_json::{Value, json};

const TOOLS: &str = r#""tools":[{"type":"function","name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}]"#;

async fn create(upstream: &SimulatedUpstream, modifiers: &str, more: &str) -> Answer {
    let comma = if more.is_empty() { "" } else { "," };
    let plus = if modifiers.is_empty() { "" } else { "+" };
    let body = format!(
        r#"{{"model":"sim-chat","instructions":"be brief","input":"one two three","user":"sim:tokens-2{plus}{modifiers}"{comma}{more}}}"#
    );
    call(upstream, "POST", "/v1/responses", &body).await
}

fn names(answer: &Answer) -> Vec<String> {
    let chunks = answer.chunks();
    let numbers: Vec<u64> = chunks.iter().map(|chunk| chunk["sequence_number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..chunks.len() as u64).collect::<Vec<_>>());
    let names = answer.body.lines().filter_map(|line| line.strip_prefix("event: "));
    names.zip(&chunks).for_each(|(name, chunk)| assert_eq!(chunk["type"], name));
    chunks.iter().map(|chunk| chunk["type"].as_str().unwrap().trim_start_matches("response.").to_owned()).collect()
}

#[tokio::test]
async fn a_response_has_output_and_usage_and_repeats_its_request() {
    let upstream = SimulatedUpstream::start().unwrap();
    let json = create(&upstream, "cached-3+reasoning-1", r#""metadata":{"a":"b"}"#).await.json();
    assert_eq!((&json["object"], &json["status"]), (&json!("response"), &json!("completed")));
    assert_eq!(json["output"][0]["summary"][0]["text"], "steady ");
    assert_eq!(json["output"][1]["content"][0]["text"], "steady rivers ");
    let expected = json!({"input_tokens": 5, "input_tokens_details": {"cached_tokens": 3}, "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 1}, "total_tokens": 8});
    assert_eq!(json["usage"], expected);
    assert_eq!((&json["metadata"]["a"], &json["instructions"]), (&json!("b"), &json!("be brief")));
    assert_eq!(upstream.counters().of(Operation::CreateResponse).output_tokens, 3);
}

#[tokio::test]
async fn a_streamed_response_brings_its_events_in_order() {
    let upstream = SimulatedUpstream::start().unwrap();
    let answer = create(&upstream, "", r#""stream":true"#).await;
    let expected = [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(names(&answer), expected);
    let last = answer.chunks().pop().unwrap();
    assert_eq!(
        (&last["response"]["status"], &last["response"]["usage"]["output_tokens"]),
        (&json!("completed"), &json!(2))
    );
    // What was streamed can be read again.
    let id = last["response"]["id"].as_str().unwrap();
    assert_eq!(call(&upstream, "GET", &format!("/v1/responses/{id}"), "").await.json(), last["response"]);
    counters_become(&upstream, |counters| counters.of(Operation::CreateResponse).completed == 1).await;
}

#[tokio::test]
async fn reasoning_and_tool_calls_are_items_of_their_own() {
    let upstream = SimulatedUpstream::start().unwrap();
    let json = create(&upstream, "reasoning+tool-calls-2", TOOLS).await.json();
    let kinds: Vec<&Value> = json["output"].as_array().unwrap().iter().map(|item| &item["type"]).collect();
    assert_eq!(kinds, ["reasoning", "function_call", "function_call"]);
    assert_eq!(json["output"][1]["arguments"], r#"{"city":"steady"}"#);

    let streamed = create(&upstream, "reasoning+tool-calls-2", &format!(r#"{TOOLS},"stream":true"#)).await;
    assert_eq!(names(&streamed).iter().filter(|name| *name == "output_item.done").count(), 3);
    let deltas = streamed.chunks().into_iter().filter(|chunk| chunk["output_index"] == 2);
    let arguments: String = deltas.filter_map(|chunk| Some(chunk["delta"].as_str()?.to_owned())).collect();
    assert_eq!(arguments, r#"{"city":"steady"}"#);
    let last = streamed.chunks().pop().unwrap();
    assert_eq!(last["response"]["usage"], json["usage"]);
}

#[tokio::test]
async fn responses_can_fail_stay_incomplete_and_break_off() {
    let upstream = SimulatedUpstream::start().unwrap();
    for (modifiers, last) in [
        ("response-failed+fault-after-1", "failed"),
        ("response-incomplete", "incomplete"),
        ("tokens-9", "incomplete"),
        ("fault-error-frame", "error"),
        ("fault-no-finish-reason", "output_item.done"),
    ] {
        let answer = create(&upstream, modifiers, r#""stream":true,"max_output_tokens":4"#).await;
        assert_eq!(names(&answer).last().unwrap(), last, "{modifiers}");
    }
    assert!(!create(&upstream, "fault-cut", r#""stream":true"#).await.whole);
    assert_eq!(create(&upstream, "response-failed", "").await.json()["error"]["code"], "server_error");
    let incomplete = create(&upstream, "response-incomplete", "").await.json();
    assert_eq!(incomplete["incomplete_details"]["reason"], "max_output_tokens");
}

#[tokio::test]
async fn responses_are_kept_read_and_deleted() {
    let upstream = SimulatedUpstream::start().unwrap();
    let created = create(&upstream, "", "").await.json();
    let path = format!("/v1/responses/{}", created["id"].as_str().unwrap());
    assert_eq!(call(&upstream, "GET", &path, "").await.json(), created);
    let items = call(&upstream, "GET", &format!("{path}/input_items?order=asc"), "").await.json();
    assert_eq!(items["data"][0]["content"][0]["text"], "one two three");
    let follows = format!(r#""previous_response_id":{}"#, created["id"]);
    assert_eq!(create(&upstream, "", &follows).await.status, 200);

    assert_eq!(call(&upstream, "DELETE", &path, "").await.json()["deleted"], true);
    for answer in [call(&upstream, "GET", &path, "").await, create(&upstream, "", &follows).await] {
        assert_eq!((answer.status, &answer.json()["error"]["type"]), (404, &json!("invalid_request_error")));
    }
    let code = |answer: Answer| answer.json()["error"]["code"].clone();
    assert_eq!(code(call(&upstream, "GET", &path, "").await), Value::Null);
    assert_eq!(code(create(&upstream, "", &follows).await), "previous_response_not_found");
    let not_kept = create(&upstream, "", r#""store":false"#).await.json();
    let path = format!("/v1/responses/{}", not_kept["id"].as_str().unwrap());
    assert_eq!(call(&upstream, "GET", &path, "").await.status, 404);
}

#[tokio::test]
async fn only_work_in_the_background_can_be_cancelled() {
    let upstream = SimulatedUpstream::start().unwrap();
    let path_of = |json: Value| format!("/v1/responses/{}", json["id"].as_str().unwrap());
    let whole = path_of(create(&upstream, "", "").await.json());
    assert_eq!(call(&upstream, "POST", &format!("{whole}/cancel"), "").await.status, 400);

    let queued = create(&upstream, "", r#""background":true"#).await.json();
    assert_eq!(queued["status"], "queued");
    let path = path_of(queued);
    assert_eq!(call(&upstream, "POST", &format!("{path}/cancel"), "").await.json()["status"], "cancelled");
    assert_eq!(call(&upstream, "GET", &path, "").await.json()["status"], "cancelled");
    let looked_at = path_of(create(&upstream, "", r#""background":true"#).await.json());
    assert_eq!(call(&upstream, "GET", &looked_at, "").await.json()["status"], "completed");
}
