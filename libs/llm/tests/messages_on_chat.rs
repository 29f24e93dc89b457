//! Messages on an upstream with chat completions, against golden files.
//!
//! Each folder of `golden/messages_on_chat` is one case. Given are `request.json` (the client's), `upstream_answer.json`
//! and `upstream_stream.txt` (as a server sends them), as far as the case is about them; expected are
//! `upstream_request.json`, `answer.json` and `stream.txt`. `MAAS_UPDATE_GOLDEN=1` writes what is expected anew.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "golden/support.rs"]
mod support;

use std::fs;

use maas_llm::{
    stream::{ChatStreamFilter, FilterSettings, MESSAGES_PING_FRAME, StreamEnd, StreamFilter},
    translate::{
        TranslatedStream, TranslationError, chat_on_messages,
        messages_on_chat::{MessageSettings, Translator, answer, count_tokens, request},
    },
};
use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};
use support::{cases_with, expect, indented, pieces, streamed};

const GROUP: &str = "messages_on_chat";

fn settings() -> MessageSettings {
    MessageSettings { client_model: "mine".to_owned(), message_id: "msg_7".to_owned() }
}

fn filter() -> impl StreamFilter {
    let chat = ChatStreamFilter::new(FilterSettings::new("mine".to_owned(), true, "req_1".to_owned()));
    TranslatedStream::new(Box::new(chat), Translator::new(settings()), "req_1".to_owned())
}

fn ask(messages: &Value, more: &Value) -> Vec<u8> {
    let mut body = json!({"model": "mine", "max_tokens": 9, "messages": messages});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string().into_bytes()
}

fn refused(messages: &Value, more: &Value) -> TranslationError {
    request(&ask(messages, more), "up").unwrap_err()
}

fn hello() -> Value {
    json!([{"role": "user", "content": "Hello"}])
}

fn user(blocks: &Value) -> Value {
    json!([{"role": "user", "content": blocks}])
}

#[test]
fn requests_are_said_as_chat_requests() {
    for case in cases_with(GROUP, "request.json") {
        let body = fs::read(case.join("request.json")).unwrap();
        let chat = request(&body, "org/upstream-model").unwrap_or_else(|error| panic!("{}: {error}", case.display()));
        expect(&case.join("upstream_request.json"), &indented(&chat));
    }
}

#[test]
fn answers_are_said_as_messages() {
    for case in cases_with(GROUP, "upstream_answer.json") {
        let chat = fs::read(case.join("upstream_answer.json")).unwrap();
        expect(&case.join("answer.json"), &indented(&answer(&chat, &settings()).unwrap()));
    }
}

#[test]
fn streams_are_said_as_events() {
    for case in cases_with(GROUP, "upstream_stream.txt") {
        let chat = fs::read(case.join("upstream_stream.txt")).unwrap();
        expect(&case.join("stream.txt"), &streamed(filter(), [&chat[..]]).0);
    }
}

#[test]
fn every_event_is_two_lines_and_every_block_is_closed() {
    for case in cases_with(GROUP, "upstream_stream.txt") {
        let chat = fs::read(case.join("upstream_stream.txt")).unwrap();
        let (events, end) = streamed(filter(), [&chat[..]]);
        for event in events.trim_end().split("\n\n") {
            let (name, data) = event.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
            let data: Value = serde_json::from_str(data).unwrap();
            assert_eq!(data["type"], name, "{}", case.display());
        }
        let count = |name: &str| events.matches(&format!("event: {name}\n")).count();
        let ends = (count("message_stop"), count("error"));
        assert_eq!(ends, if end == StreamEnd::Complete { (1, 0) } else { (0, 1) }, "{}", case.display());
        if end == StreamEnd::Complete {
            assert_eq!(count("content_block_start"), count("content_block_stop"), "{}", case.display());
        }
    }
}

#[test]
fn what_chat_cannot_say_is_refused_by_its_place() {
    let search = json!({"tools": [{"name": "f", "input_schema": {}}, {"type": "web_search_20250305", "name": "w"}]});
    let result = |blocks: Value| user(&json!([{"type": "tool_result", "tool_use_id": "t", "content": blocks}]));
    let image = |source: Value| user(&json!([{"type": "text", "text": "a"}, {"type": "image", "source": source}]));
    let cases = [
        (hello(), json!({"mcp_servers": []}), "mcp_servers"),
        (hello(), json!({"container": "c"}), "container"),
        (hello(), search, "tools.1.type"),
        (hello(), json!({"max_tokens": 0}), "max_tokens"),
        (hello(), json!({"thinking": {"type": "new"}}), "thinking.type"),
        (json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]), json!({}), "messages.1"),
        (user(&json!([{"type": "container_upload", "file_id": "f"}])), json!({}), "messages.0.content.0.type"),
        (image(json!({"type": "file", "file_id": "f"})), json!({}), "messages.0.content.1.source.type"),
        (
            user(&json!([{"type": "document", "source": {"type": "url", "url": "u"}}])),
            json!({}),
            "messages.0.content.0.source.type",
        ),
        (
            user(
                &json!([{"type": "document", "source": {"type": "text", "data": "d"}, "citations": {"enabled": true}}]),
            ),
            json!({}),
            "messages.0.content.0.citations",
        ),
        (result(json!([{"type": "search_result"}])), json!({}), "messages.0.content.0.content.0.type"),
        (json!([{"role": "assistant", "content": [{"type": "new"}]}]), json!({}), "messages.0.content.0.type"),
        (hello(), json!({"system": [{"type": "image", "source": {"type": "url", "url": "u"}}]}), "system.0.type"),
    ];
    for (messages, more, param) in cases {
        let error = refused(&messages, &more);
        assert!(matches!(error, TranslationError::Unsupported { .. }), "{param}: {error}");
        assert_eq!(error.param(), Some(param));
    }
}

#[test]
fn what_messages_does_not_allow_is_refused_by_its_place() {
    let cases = [
        (json!("secret"), json!({}), "messages"),
        (json!([]), json!({}), "messages"),
        (json!([{"content": "secret"}]), json!({}), "messages.0.role"),
        (json!([{"role": "secret", "content": "a"}]), json!({}), "messages.0.role"),
        (json!([{"role": "user"}]), json!({}), "messages.0.content"),
        (user(&json!(7)), json!({}), "messages.0.content"),
        (user(&json!([])), json!({}), "messages.0.content"),
        (user(&json!(["secret"])), json!({}), "messages.0.content.0"),
        (user(&json!([{"text": "secret"}])), json!({}), "messages.0.content.0.type"),
        (user(&json!([{"type": "text", "text": 5}])), json!({}), "messages.0.content.0.text"),
        (user(&json!([{"type": "text", "text": "a"}, {"type": "image"}])), json!({}), "messages.0.content.1.source"),
        (
            user(&json!([{"type": "image", "source": {"type": "base64", "media_type": ["secret"]}}])),
            json!({}),
            "messages.0.content.0.source.media_type",
        ),
        (
            user(&json!([{"type": "image", "source": {"type": "base64", "media_type": "image/png"}}])),
            json!({}),
            "messages.0.content.0.source.data",
        ),
        (
            user(&json!([{"type": "image", "source": {"type": "url", "url": "file:///secret"}}])),
            json!({}),
            "messages.0.content.0.source.url",
        ),
        (user(&json!([{"type": "tool_result"}])), json!({}), "messages.0.content.0.tool_use_id"),
        (hello(), json!({"max_tokens": "secret"}), "max_tokens"),
        (hello(), json!({"max_tokens": null}), "max_tokens"),
        (hello(), json!({"temperature": {"secret": 1}}), "temperature"),
        (hello(), json!({"tools": [{"name": "f"}]}), "tools.0.input_schema"),
        (hello(), json!({"tools": [{"input_schema": {}}]}), "tools.0.name"),
        (hello(), json!({"tool_choice": {"type": "secret"}}), "tool_choice.type"),
        (hello(), json!({"output_config": {"effort": "secret"}}), "output_config.effort"),
        (hello(), json!({"output_config": {"format": {"type": "secret"}}}), "output_config.format.type"),
        (hello(), json!({"thinking": {"type": "enabled"}}), "thinking.budget_tokens"),
    ];
    for (messages, more, param) in cases {
        let error = refused(&messages, &more);
        assert!(matches!(error, TranslationError::Invalid { .. }), "{param}: {error}");
        assert_eq!(error.param(), Some(param), "{error}");
        assert!(error.to_string().contains(param) && !error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn a_deep_body_is_refused_and_does_not_overflow() {
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    for levels in [64, 100_000] {
        for body in [
            format!(r#"{{"model":"m","max_tokens":1,"messages":{}}}"#, deep(levels)),
            format!(r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":{}}}]}}"#, deep(levels)),
            deep(levels),
        ] {
            assert!(request(body.as_bytes(), "up").is_err());
            assert!(count_tokens(body.as_bytes()).is_err());
        }
    }
}

#[test]
fn an_image_of_32_megabytes_is_copied_once() {
    let data = "iVBORw0KGgo+/w==".repeat(2 << 20);
    let source = format!(r#"{{"type":"base64","media_type":"image/png","data":"{data}"}}"#);
    let message = format!(r#"{{"role":"user","content":[{{"type":"image","source":{source}}}]}}"#);
    let chat = request(format!(r#"{{"max_tokens":9,"messages":[{message}]}}"#).as_bytes(), "up").unwrap();
    // What goes out never had to grow.
    assert!(chat.capacity() < data.len() / 50 * 51, "{}", chat.capacity());
    let url = format!(r#"{{"url":"data:image/png;base64,{data}"}}"#);
    assert!(memchr::memmem::find(&chat, url.as_bytes()).is_some());
}

#[test]
fn tokens_are_estimated_from_everything_that_is_sent() {
    let count = |messages: &Value, more: &Value| count_tokens(&ask(messages, more)).unwrap();
    let plain = count(&hello(), &json!({}));
    assert_eq!(plain, 2 + 4);
    assert_eq!(count(&hello(), &json!({"max_tokens": null, "system": "x".repeat(400)})), plain + 100);
    assert_eq!(
        count(&hello(), &json!({"tools": [{"name": "abcd", "description": "efgh", "input_schema": {}}]})),
        plain + 2
    );
    let image = json!([{"type": "image", "source": {"type": "url", "url": "https://a.b"}}]);
    assert_eq!(count(&user(&image), &json!({})), 1_604);
    let pdf = json!([{"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "x".repeat(150_000)}}]);
    assert_eq!(count(&user(&pdf), &json!({})), 6_004);
    let result = json!([{"type": "tool_result", "tool_use_id": "t", "content": image}]);
    assert_eq!(count(&user(&result), &json!({})), 1_604);
}

#[test]
fn a_ping_is_an_event() {
    assert_eq!(filter().ping(), MESSAGES_PING_FRAME);
}

#[test]
fn an_answer_without_choices_is_none() {
    for body in [r#"{"choices":[]}"#, r#"{"error":{"message":"no"}}"#, "[]", "<html>"] {
        assert!(answer(body.as_bytes(), &settings()).is_err(), "{body}");
    }
}

/// A conversation of texts, images and tools in Anthropic's words, as simple as both languages can say it.
fn conversation() -> impl Strategy<Value = Vec<Value>> {
    let word = "[a-zA-Z\"\\\\ é☃{}]{0,8}x";
    let said = word.prop_map(|text| vec![json!({"type": "text", "text": text})]);
    let shown = (word, "[A-Za-z0-9+/]{4,12}").prop_map(|(text, data)| {
        let source = json!({"type": "base64", "media_type": "image/png", "data": data});
        vec![json!({"type": "text", "text": text}), json!({"type": "image", "source": source})]
    });
    let called = (word, word, any::<u64>());
    let turn = (prop_oneof![said.clone(), shown], said, prop::option::of(called));
    prop::collection::vec(turn, 1..5).prop_map(|turns| {
        let mut messages = Vec::new();
        for (number, (asked, mut answered, called)) in turns.into_iter().enumerate() {
            messages.push(json!({"role": "user", "content": asked}));
            let result = called.map(|(key, text, value)| {
                let id = format!("toolu_{number}");
                answered.push(json!({"type": "tool_use", "id": id, "name": "f", "input": {key: value, "n": 1e30}}));
                json!({"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": text}]})
            });
            messages.push(json!({"role": "assistant", "content": answered}));
            let end = result.unwrap_or_else(|| json!({"type": "text", "text": "next"}));
            messages.push(json!({"role": "user", "content": [end]}));
        }
        messages
    })
}

/// Turns of the same side in a row are one.
fn merged(messages: &[Value]) -> Vec<Value> {
    let mut turns: Vec<Value> = Vec::new();
    for message in messages {
        let blocks = message["content"].as_array().unwrap().clone();
        match turns.last_mut() {
            Some(turn) if turn["role"] == message["role"] => turn["content"].as_array_mut().unwrap().extend(blocks),
            _ => turns.push(message.clone()),
        }
    }
    turns
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn there_and_back_keeps_text_images_and_tools(messages in conversation()) {
        let tools = json!([{"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {}}}]);
        let body = ask(&json!(messages), &json!({"system": "s", "tools": tools, "tool_choice": {"type": "any"}, "stop_sequences": ["a"], "temperature": 0.5}));
        let chat = request(&body, "chat-model").unwrap();
        let back = chat_on_messages::request(&chat, "mine", 1).unwrap();
        let (mut expected, back): (Value, Value) = (serde_json::from_slice(&body).unwrap(), serde_json::from_slice(&back).unwrap());
        expected["messages"] = json!(merged(&messages));
        prop_assert_eq!(back, expected);
    }

    #[test]
    fn no_split_of_the_upstreams_bytes_changes_the_events(case in any::<Index>(), cuts in prop::collection::vec(any::<Index>(), 0..12)) {
        let chat = fs::read(case.get(&cases_with(GROUP, "upstream_stream.txt")).join("upstream_stream.txt")).unwrap();
        prop_assert_eq!(streamed(filter(), pieces(&chat, &cuts)), streamed(filter(), [&chat[..]]));
    }

    #[test]
    fn damaged_streams_end_in_one_last_event(case in any::<Index>(), at in any::<Index>(), byte in any::<u8>()) {
        let mut chat = fs::read(case.get(&cases_with(GROUP, "upstream_stream.txt")).join("upstream_stream.txt")).unwrap();
        let at = at.index(chat.len());
        chat[at] = byte;
        let (events, _) = streamed(filter(), [&chat[..]]);
        let ends = events.matches("event: message_stop\n").count() + events.matches("event: error\n").count();
        prop_assert_eq!(ends, 1, "{}", events);
    }

    #[test]
    fn damaged_requests_are_refused_or_said_in_valid_json(case in any::<Index>(), at in any::<Index>(), byte in 0x20..0x7f_u8) {
        let mut body = fs::read(case.get(&cases_with(GROUP, "request.json")).join("request.json")).unwrap();
        let at = at.index(body.len());
        body[at] = byte;
        if let Ok(chat) = request(&body, "up") {
            prop_assert!(serde_json::from_slice::<Value>(&chat).is_ok());
        }
    }
}
