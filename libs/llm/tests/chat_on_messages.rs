//! Chat completions on an upstream with Messages, against golden files.
//!
//! Each folder of `golden/chat_on_messages` is one case. Given are `request.json` (the client's), `upstream_answer.json`
//! and `upstream_stream.txt` (as a server sends them), as far as the case is about them; expected are
//! `upstream_request.json`, `answer.json` and `stream.txt`. `MAAS_UPDATE_GOLDEN=1` writes what is expected anew.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "golden/support.rs"]
mod support;

use std::fs;

use bytes::Bytes;
use maas_llm::{
    stream::{FilterSettings, StreamEnd, StreamFault, StreamFilter},
    translate::{
        TranslatedStream, TranslationError,
        chat_on_messages::{CompletionSettings, DEFAULT_MAX_TOKENS, MessagesAsChat, answer, request},
        messages_on_chat::{MessageSettings, Translator},
        responses_on_chat::{self, ResponseSettings},
    },
};
use maas_types::UsageQuality;
use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};
use support::{cases_with, expect, indented, pieces, streamed};

const GROUP: &str = "chat_on_messages";

fn filter(include_usage: bool) -> MessagesAsChat {
    MessagesAsChat::new(FilterSettings::new("mine".to_owned(), include_usage, "req_1".to_owned()), 1_700_000_000)
}

fn read(case: &str, file: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(GROUP);
    fs::read(folder.join(case).join(file)).unwrap()
}

fn ask(messages: &Value, more: &Value) -> Result<Value, TranslationError> {
    let mut body = json!({"model": "mine", "messages": messages});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let out = request(body.to_string().as_bytes(), "claude-sonnet-4-5", DEFAULT_MAX_TOKENS)?;
    Ok(serde_json::from_slice(&out).unwrap())
}

fn hello() -> Value {
    json!([{"role": "user", "content": "Hello"}])
}

fn user(parts: &Value) -> Value {
    json!([{"role": "user", "content": parts}])
}

#[test]
fn requests_are_said_as_messages_requests() {
    for case in cases_with(GROUP, "request.json") {
        let body = fs::read(case.join("request.json")).unwrap();
        let messages = request(&body, "claude-sonnet-4-5", DEFAULT_MAX_TOKENS);
        let messages = messages.unwrap_or_else(|error| panic!("{}: {error}", case.display()));
        expect(&case.join("upstream_request.json"), &indented(&messages));
    }
}

#[test]
fn answers_are_said_as_completions() {
    let settings = CompletionSettings { client_model: "mine".to_owned(), created: 1_700_000_000 };
    for case in cases_with(GROUP, "upstream_answer.json") {
        let message = fs::read(case.join("upstream_answer.json")).unwrap();
        expect(&case.join("answer.json"), &indented(&answer(&message, &settings).unwrap()));
    }
    for body in [r#"{"type":"error","error":{"type":"api_error","message":"no"}}"#, "[]", "<html>"] {
        assert!(answer(body.as_bytes(), &settings).is_err(), "{body}");
    }
}

#[test]
fn streams_are_said_as_chunks() {
    for case in cases_with(GROUP, "upstream_stream.txt") {
        let events = fs::read(case.join("upstream_stream.txt")).unwrap();
        expect(&case.join("stream.txt"), &streamed(filter(true), [&events[..]]).0);
    }
}

#[test]
fn chunks_are_plain_and_end_once() {
    for case in cases_with(GROUP, "upstream_stream.txt") {
        let events = fs::read(case.join("upstream_stream.txt")).unwrap();
        let (chunks, _) = streamed(filter(true), [&events[..]]);
        assert!(chunks.split_terminator("\n\n").all(|frame| frame.starts_with("data: ") && !frame.contains('\n')));
        assert_eq!(chunks.matches("[DONE]").count(), 1);
        assert!(!chunks.contains("claude"), "the model is the client's");
    }
}

#[test]
fn the_usage_chunk_goes_only_to_who_asked() {
    let events = read("cached_input", "upstream_stream.txt");
    let (with, without) = (streamed(filter(true), [&events[..]]).0, streamed(filter(false), [&events[..]]).0);
    let expected: String = with.split_inclusive("\n\n").filter(|frame| !frame.contains("prompt_tokens")).collect();
    assert_eq!(without, expected);
    assert!(with.contains(r#""prompt_tokens":2006,"completion_tokens":3,"total_tokens":2009"#));
}

#[test]
fn the_report_has_what_metering_needs() {
    let mut filter = filter(false);
    filter.push(Bytes::from(read("cached_input", "upstream_stream.txt")), &mut Vec::new()).unwrap();
    let (report, counts) = (filter.report(), filter.report().counts());
    assert_eq!((counts.input, counts.cached_input, counts.cache_write_input, counts.output), (2_006, 1_920, 64, 3));
    assert_eq!((report.quality(), report.finish_reason()), (UsageQuality::Exact, Some("stop")));
    assert_eq!((report.relayed_bytes(), report.upstream_id.as_deref()), (1, Some("msg_01XFDUDYJgAACzvnptvVoYEL")));
    assert_eq!(filter.ended(), Some(StreamEnd::Complete));
}

#[test]
fn a_cut_stream_is_no_complete_one() {
    let mut filter = filter(true);
    let mut out = Vec::new();
    filter.push(Bytes::from(read("upstream_cut_midway", "upstream_stream.txt")), &mut out).unwrap();
    assert_eq!((filter.end(&mut out), filter.end(&mut out)), (StreamEnd::Cut, StreamEnd::Cut));
    assert!(!String::from_utf8(out.concat()).unwrap().contains("[DONE]"));
    assert_eq!((filter.report().quality(), filter.report().counts().input), (UsageQuality::Partial, 12));
}

#[test]
fn what_is_no_event_is_a_fault_and_ends_the_stream() {
    for bad in ["data: oops\n\n", "data: [1]\n\n", "data: {\"type\":\"content_block_start\"}\n\n"] {
        let (mut filter, mut out) = (filter(true), Vec::new());
        assert_eq!(filter.push(Bytes::from(bad), &mut out), Err(StreamFault::MalformedData), "{bad}");
        assert_eq!(
            (filter.push(Bytes::from(read("refused", "upstream_stream.txt")), &mut out), out.len()),
            (Ok(()), 0)
        );
        assert_eq!(filter.ended(), Some(StreamEnd::Cut));
    }
    let calls = |number| {
        format!(
            "data: {{\"type\":\"content_block_start\",\"index\":{number},\"content_block\":{{\"type\":\"tool_use\"}}}}\n\n"
        )
    };
    let flood: String = (0..2_000).map(calls).collect();
    assert_eq!(filter(true).push(Bytes::from(flood), &mut Vec::new()), Err(StreamFault::MalformedData));
}

#[test]
fn what_messages_cannot_say_is_refused_by_its_place() {
    let part = |part: Value| user(&json!([{"type": "text", "text": "a"}, part]));
    let custom = json!({"tools": [{"type": "custom", "custom": {"name": "f"}}]});
    let allowed = json!({"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": {"type": "allowed_tools", "allowed_tools": {}}});
    let cases = [
        (hello(), json!({"n": 2}), "n"),
        (hello(), json!({"logprobs": true}), "logprobs"),
        (hello(), json!({"top_logprobs": 3}), "top_logprobs"),
        (hello(), json!({"logit_bias": {"5": 1}}), "logit_bias"),
        (hello(), json!({"audio": {"voice": "a"}}), "audio"),
        (hello(), json!({"modalities": ["text", "audio"]}), "modalities"),
        (hello(), json!({"functions": []}), "functions"),
        (hello(), json!({"store": true}), "store"),
        (hello(), json!({"web_search_options": {}}), "web_search_options"),
        (hello(), json!({"response_format": {"type": "json_object"}}), "response_format.type"),
        (hello(), custom, "tools.0.type"),
        (hello(), allowed, "tool_choice.type"),
        (part(json!({"type": "input_audio", "input_audio": {}})), json!({}), "messages.0.content.1.type"),
        (part(json!({"type": "file", "file": {"file_id": "f"}})), json!({}), "messages.0.content.1.file.file_id"),
        (
            part(json!({"type": "image_url", "image_url": {"url": "data:image/bmp;base64,x"}})),
            json!({}),
            "messages.0.content.1.image_url.url",
        ),
        (json!([{"role": "assistant", "function_call": {"name": "f"}}]), json!({}), "messages.0.function_call"),
        (json!([{"role": "function", "name": "f", "content": "x"}]), json!({}), "messages.0.role"),
    ];
    for (messages, more, param) in cases {
        let error = ask(&messages, &more).unwrap_err();
        assert!(matches!(error, TranslationError::Unsupported { .. }), "{param}: {error}");
        assert_eq!(error.param(), Some(param));
    }
}

#[test]
fn what_chat_does_not_allow_is_refused_by_its_place() {
    let cases = [
        (json!([]), json!({}), "messages"),
        (json!([{"role": "system", "content": "only"}]), json!({}), "messages"),
        (json!([{"role": "secret", "content": "a"}]), json!({}), "messages.0.role"),
        (user(&json!({"secret": 1})), json!({}), "messages.0.content"),
        (user(&json!([{"type": "image_url", "image_url": "secret"}])), json!({}), "messages.0.content.0.image_url"),
        (
            user(&json!([{"type": "image_url", "image_url": {"url": "secret"}}])),
            json!({}),
            "messages.0.content.0.image_url.url",
        ),
        (user(&json!([{"type": "image_url"}])), json!({}), "messages.0.content.0.image_url"),
        (json!([{"role": "tool", "content": "a"}]), json!({}), "messages.0.tool_call_id"),
        (json!([{"role": "assistant", "tool_calls": [{"id": 5}]}]), json!({}), "messages.0.tool_calls.0.id"),
        (hello(), json!({"temperature": 2.5}), "temperature"),
        (hello(), json!({"stop": {"secret": 1}}), "stop"),
        (hello(), json!({"reasoning_effort": "secret"}), "reasoning_effort"),
        (hello(), json!({"tools": [{"type": "function"}]}), "tools.0.function"),
        (
            hello(),
            json!({"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "secret"}),
            "tool_choice",
        ),
        (hello(), json!({"tool_choice": ["secret"]}), "tool_choice"),
        (hello(), json!({"response_format": {"type": "json_schema"}}), "response_format.json_schema.schema"),
    ];
    for (messages, more, param) in cases {
        let error = ask(&messages, &more).unwrap_err();
        assert!(matches!(error, TranslationError::Invalid { .. }), "{param}: {error}");
        assert_eq!(error.param(), Some(param), "{error}");
        assert!(error.to_string().contains(param) && !error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn a_bound_is_always_named() {
    assert_eq!(ask(&hello(), &json!({})).unwrap()["max_tokens"], DEFAULT_MAX_TOKENS);
    assert_eq!(ask(&hello(), &json!({"max_tokens": 7})).unwrap()["max_tokens"], 7);
    let both = json!({"max_tokens": 7, "max_completion_tokens": 8});
    assert_eq!(ask(&hello(), &both).unwrap()["max_tokens"], 8);
}

#[test]
fn newer_models_are_given_a_level() {
    let body = r#"{"messages":[{"role":"user","content":"a"}],"reasoning_effort":"low","temperature":0.5}"#;
    let out: Value = serde_json::from_slice(&request(body.as_bytes(), "claude-opus-4-6", 9).unwrap()).unwrap();
    assert_eq!((&out["thinking"], &out["output_config"]), (&json!({"type": "adaptive"}), &json!({"effort": "low"})));
    assert_eq!((&out["max_tokens"], out.get("temperature")), (&json!(9), None));
}

#[test]
fn an_image_of_32_megabytes_is_copied_once() {
    let data = "iVBORw0KGgo+/w==".repeat(2 << 20);
    let part = format!(r#"{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{data}"}}}}"#);
    let body = format!(r#"{{"messages":[{{"role":"user","content":[{part}]}}]}}"#);
    let out = request(body.as_bytes(), "up", 1).unwrap();
    // What goes out never had to grow.
    assert!(out.capacity() < data.len() / 50 * 51, "{}", out.capacity());
    let source = format!(r#"{{"type":"base64","media_type":"image/png","data":"{data}"}}"#);
    assert!(memchr::memmem::find(&out, source.as_bytes()).is_some());
}

#[test]
fn a_deep_body_is_refused_and_does_not_overflow() {
    for levels in [64, 100_000] {
        let deep = format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        for body in [format!(r#"{{"messages":{deep}}}"#), format!(r#"{{"messages":[],"metadata":{deep}}}"#), deep] {
            assert!(request(body.as_bytes(), "up", 1).is_err());
        }
    }
}

/// Responses on an upstream with Messages: two translations, one behind the other.
#[test]
fn responses_are_served_by_way_of_chat() {
    let body =
        br#"{"model":"mine","instructions":"Be brief.","input":"Weather?","stream":true,"max_output_tokens":99}"#;
    let messages = request(&responses_on_chat::request(body, "mine").unwrap(), "claude-sonnet-4-5", 1).unwrap();
    let messages: Value = serde_json::from_slice(&messages).unwrap();
    assert_eq!((&messages["system"], &messages["max_tokens"]), (&json!("Be brief."), &json!(99)));
    let settings = ResponseSettings::from_request(body, "resp_7".to_owned(), "mine".to_owned(), 1_700_000_001).unwrap();
    let translator = responses_on_chat::Translator::new(settings);
    let behind = TranslatedStream::new(Box::new(filter(true)), translator, "req_1".to_owned());
    let (events, end) = streamed(behind, [&read("tools_and_their_results", "upstream_stream.txt")[..]]);
    assert_eq!(end, StreamEnd::Complete);
    let last = events.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.starts_with("event: response.completed\n"), "{last}");
    assert!(last.contains(r#""text":"Let me see.""#) && last.contains(r#""input_tokens":12"#), "{last}");
    assert!(last.contains(r#""call_id":"toolu_01""#) && last.contains(r#""call_id":"toolu_02""#), "{last}");
}

/// A chat stream from this filter is fit for every translator behind it; the one back to Messages says what came.
#[test]
fn a_translator_behind_the_filter_gets_a_whole_chat_stream() {
    let events = read("tools_and_their_results", "upstream_stream.txt");
    let settings = MessageSettings { client_model: "mine".to_owned(), message_id: "msg_7".to_owned() };
    let behind = TranslatedStream::new(Box::new(filter(true)), Translator::new(settings), "req_1".to_owned());
    let (back, end) = streamed(behind, [&events[..]]);
    assert_eq!(end, StreamEnd::Complete);
    let joined = |stream: &str, member: &str| -> String {
        let data = stream.lines().filter_map(|line| line.strip_prefix("data: "));
        let deltas = data.map(|data| serde_json::from_str::<Value>(data).unwrap()["delta"][member].clone());
        deltas.filter_map(|delta| delta.as_str().map(str::to_owned)).collect()
    };
    let events = String::from_utf8(events).unwrap();
    assert_eq!(joined(&back, "text"), joined(&events, "text"));
    // A call without input gets an empty object on the way.
    assert_eq!(joined(&back, "partial_json"), joined(&events, "partial_json") + "{}");
    assert!(back.contains(r#""stop_reason":"tool_use""#) && back.contains(r#""input_tokens":12"#), "{back}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_split_of_the_upstreams_bytes_changes_anything(case in any::<Index>(), cuts in prop::collection::vec(any::<Index>(), 0..12)) {
        let events = fs::read(case.get(&cases_with(GROUP, "upstream_stream.txt")).join("upstream_stream.txt")).unwrap();
        prop_assert_eq!(streamed(filter(true), pieces(&events, &cuts)), streamed(filter(true), [&events[..]]));
        let report = |pieces: Vec<&[u8]>| {
            let mut filter = filter(true);
            for piece in pieces {
                filter.push(Bytes::copy_from_slice(piece), &mut Vec::new()).unwrap();
            }
            filter.end(&mut Vec::new());
            filter.report().clone()
        };
        prop_assert_eq!(report(pieces(&events, &cuts)), report(vec![&events]));
    }

    #[test]
    fn damaged_streams_end_once(case in any::<Index>(), at in any::<Index>(), byte in any::<u8>()) {
        let mut events = fs::read(case.get(&cases_with(GROUP, "upstream_stream.txt")).join("upstream_stream.txt")).unwrap();
        let at = at.index(events.len());
        events[at] = byte;
        let (chunks, _) = streamed(filter(true), [&events[..]]);
        prop_assert_eq!(chunks.matches("data: [DONE]\n\n").count(), 1, "{}", chunks);
        prop_assert!(chunks.ends_with("data: [DONE]\n\n"));
    }

    #[test]
    fn damaged_requests_are_refused_or_said_in_valid_json(case in any::<Index>(), at in any::<Index>(), byte in 0x20..0x7f_u8) {
        let mut body = fs::read(case.get(&cases_with(GROUP, "request.json")).join("request.json")).unwrap();
        let at = at.index(body.len());
        body[at] = byte;
        if let Ok(messages) = request(&body, "claude-opus-4-6", 1) {
            prop_assert!(serde_json::from_slice::<Value>(&messages).is_ok());
        }
    }
}
