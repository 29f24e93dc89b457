//! Answers as servers write them.
#![allow(clippy::unwrap_used)]

use super::*;

/// As chat, under this name.
fn chat(body: &Bytes, client_model: &str) -> Result<Answer, AnswerError> {
    Answer::read(body, &AnswerSettings::new(Api::Chat, client_model))
}

const CHAT: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","model":"up","choices":[{"index":0,
    "message":{"role":"assistant","content":"hello you"},"finish_reason":"stop"}],
    "usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;

#[test]
fn the_model_is_renamed_and_the_rest_is_kept() {
    let answer = chat(&Bytes::from_static(CHAT.as_bytes()), "mine/x").unwrap();
    assert_eq!(answer.body, CHAT.replace(r#""up""#, r#""mine/x""#));
    assert_eq!((answer.counts().input, answer.counts().output), (3, 2));
    assert_eq!((answer.quality(), answer.finish_reason()), (UsageQuality::Exact, Some("stop")));
    assert_eq!(answer.upstream_id.as_deref(), Some("chatcmpl-1"));
}

#[test]
fn an_answer_under_the_right_name_is_the_same_buffer() {
    let body = Bytes::from_static(CHAT.as_bytes());
    assert_eq!(chat(&body, "up").unwrap().body.as_ptr(), body.as_ptr());
}

#[test]
fn embeddings_report_their_input() {
    let body = Bytes::from_static(br#"{"object":"list","data":[{"embedding":[0.1,-2e-3]}],"model":"e","usage":{"prompt_tokens":8,"total_tokens":8}}"#);
    let counts = chat(&body, "e").unwrap().counts();
    assert_eq!((counts.input, counts.output), (8, 0));
}

#[test]
fn without_a_report_the_text_is_counted() {
    let body = Bytes::from_static(br#"{"choices":[{"text":"12345678"}]}"#);
    let answer = chat(&body, "m").unwrap();
    assert_eq!((answer.quality(), answer.counts().output), (UsageQuality::Estimated, 2));
}

#[test]
fn errors_under_a_status_of_success_are_seen() {
    let body = Bytes::from_static(br#"{"error":{"message":"no","code":500}}"#);
    let error = chat(&body, "m").unwrap().error.unwrap();
    assert_eq!((error.message.as_str(), error.code.as_deref()), ("no", Some("500")));
    assert_eq!(chat(&Bytes::from_static(b"[1]"), "m"), Err(AnswerError::NotAnObject));
    let list = Bytes::from_static(br#"[{"index":0,"score":0.9}]"#);
    let plain = Answer::read(&list, &AnswerSettings::new(Api::Plain, "m")).unwrap();
    assert_eq!((plain.body, plain.usage.is_reported()), (list, false));
    assert!(matches!(chat(&Bytes::from_static(b"<p>"), "m"), Err(AnswerError::InvalidJson(_))));
}

fn answer(api: Api, body: &'static str) -> Answer {
    let rename: &dyn Fn(&str) -> String = &|id| format!("ours_{id}");
    let settings = AnswerSettings { rename_id: Some(rename), ..AnswerSettings::new(api, "mine") };
    Answer::read(&Bytes::from_static(body.as_bytes()), &settings).unwrap()
}

#[test]
fn a_message_is_metered_and_keeps_its_id() {
    let body = r#"{"id":"msg_1","type":"message","model":"up","content":[{"type":"thinking","thinking":"hm","signature":"xx"},
        {"type":"text","text":"Hi"},{"type":"tool_use","id":"t","name":"f","input":{"a": 1}}],"stop_reason":"tool_use",
        "usage":{"input_tokens":5,"cache_read_input_tokens":90,"output_tokens":7}}"#;
    let answer = answer(Api::Messages, body);
    assert_eq!(answer.body, body.replace("\"up\"", "\"mine\""));
    assert_eq!((answer.counts().input, answer.counts().cached_input, answer.counts().output), (95, 90, 7));
    assert_eq!((answer.finish_reason(), answer.upstream_id.as_deref()), (Some("tool_use"), Some("msg_1")));
    assert_eq!(answer.report.relayed_bytes(), 2 + 2 + 1 + 8);
}

#[test]
fn a_response_gets_our_ids() {
    let body = r#"{"id":"resp_1","object":"response","status":"completed","error":null,"model":"up","previous_response_id":"resp_0",
        "output":[{"type":"reasoning","summary":[{"text":"so"}]},{"id":"msg_1","type":"message","content":[{"type":"output_text","text":"Hi you"}]},
        {"type":"function_call","name":"f","arguments":"{}"}],"usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}}"#;
    let answer = answer(Api::Responses, body);
    let expected = body.replace("\"up\"", "\"mine\"").replace("\"resp_", "\"ours_resp_");
    assert_eq!((answer.body, answer.upstream_id.as_deref()), (Bytes::from(expected), Some("resp_1")));
    assert_eq!((answer.report.finish_reason(), answer.report.relayed_bytes()), (Some("completed"), 2 + 6 + 1 + 2));
}

#[test]
fn a_response_that_has_failed_is_an_answer() {
    let body = r#"{"id":"resp_1","object":"response","status":"failed","error":{"code":"server_error","message":"no"},"model":"mine","output":[],"usage":null}"#;
    let failed = answer(Api::Responses, body);
    assert_eq!((&failed.error, failed.finish_reason(), failed.quality()), (&None, Some("failed"), UsageQuality::None));
    assert_eq!(answer(Api::Responses, r#"{"error":{"message":"no"}}"#).error.unwrap().message, "no");
}

#[test]
fn plain_answers_are_metered_in_their_own_words() {
    let images =
        answer(Api::Plain, r#"{"created":1,"data":[{"b64_json":"aGk="},{"url":"https://x"},{"b64_json":null}]}"#);
    assert_eq!((images.counts().images, images.quality()), (2, UsageQuality::Estimated));
    let cohere = answer(
        Api::Plain,
        r#"{"id":"r","results":[{"index":0,"relevance_score":0.9}],"meta":{"billed_units":{"search_units":1},"tokens":{"input_tokens":40}}}"#,
    );
    assert_eq!((cohere.counts().input, cohere.quality()), (40, UsageQuality::Exact));
    let transcript = answer(Api::Plain, r#"{"text":"12345","usage":{"type":"duration","seconds":3}}"#);
    assert_eq!((transcript.counts().output, transcript.quality()), (0, UsageQuality::Exact));
    let embeddings = answer(Api::Plain, r#"{"data":[{"embedding":"AAAA"}],"model":"up","usage":{"total_tokens":4}}"#);
    assert_eq!((embeddings.counts().images, embeddings.counts().input), (0, 4));
}

#[test]
fn errors_are_seen_in_every_language() {
    let message = |api, body| answer(api, body).error.map(|error| error.message);
    let anthropic = r#"{"type":"error","error":{"type":"api_error","message":"no"}}"#;
    assert_eq!(message(Api::Messages, anthropic).as_deref(), Some("no"));
    let flat = r#"{"object":"error","message":"no","code":400}"#;
    assert_eq!(message(Api::Chat, flat).as_deref(), Some("no"));
    assert_eq!(message(Api::Plain, r#"{"error":null,"text":""}"#), None);
}
