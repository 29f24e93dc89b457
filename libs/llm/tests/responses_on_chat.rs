//! Responses on an upstream with chat completions, against golden files.
//!
//! Each folder of `golden/responses_on_chat` is one case. Given are `request.json` (the client's) and, where the case is
//! about one, `upstream_answer.json` and `upstream_stream.txt` as a server sends them. Expected are
//! `upstream_request.json`, `answer.json` and `stream.txt`. `MAAS_UPDATE_GOLDEN=1` writes what is expected anew.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use maas_llm::{
    error::ApiErrorCode,
    stream::{ChatStreamFilter, FilterSettings, StreamEnd, StreamFilter},
    translate::{
        TranslatedStream,
        chat_on_messages::MessagesAsChat,
        responses_on_chat::{ResponseSettings, Translator, answer, request},
    },
};
use proptest::{prelude::*, sample::Index};

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/responses_on_chat");
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 12, "golden files are missing");
    cases
}

/// Compares with a golden file, or writes it.
fn expect(golden: &Path, actual: &str) {
    if std::env::var_os("MAAS_UPDATE_GOLDEN").is_some() {
        fs::write(golden, actual).unwrap();
    }
    let expected = fs::read_to_string(golden).unwrap_or_else(|error| panic!("{}: {error}", golden.display()));
    assert_eq!(actual, expected, "{}", golden.display());
}

fn settings(case: &Path) -> ResponseSettings {
    let body = fs::read(case.join("request.json")).unwrap();
    ResponseSettings::from_request(&body, "resp_7".to_owned(), "mine".to_owned(), 1_700_000_001).unwrap()
}

/// What the client gets when the upstream's bytes come in these pieces.
fn streamed<'a>(settings: ResponseSettings, pieces: impl IntoIterator<Item = &'a [u8]>) -> (String, StreamEnd) {
    let chat = FilterSettings::new("mine".to_owned(), true, "req_1".to_owned());
    let chat = Box::new(ChatStreamFilter::new(chat));
    let mut stream = TranslatedStream::new(chat, Translator::new(settings), "req_1".to_owned());
    let mut out = Vec::new();
    for piece in pieces {
        if stream.push(Bytes::copy_from_slice(piece), &mut out).is_err() {
            break;
        }
    }
    let end = stream.end(&mut out);
    if end == StreamEnd::Cut {
        stream.fail(ApiErrorCode::UpstreamError, None, &mut out);
    }
    (String::from_utf8(out.concat()).unwrap(), end)
}

/// Indents JSON and keeps the order of its members, which a tree would not.
fn indented(json: &[u8]) -> String {
    let (mut out, mut depth, mut in_string, mut escaped) = (String::new(), 0, false, false);
    let text = std::str::from_utf8(json).unwrap();
    let mut characters = text.chars().filter(|character| !character.is_control()).peekable();
    while let Some(character) = characters.next() {
        let closes_next = characters.peek().is_some_and(|next| matches!(next, '}' | ']'));
        match character {
            _ if in_string => {
                in_string = character != '"' || escaped;
                escaped = character == '\\' && !escaped;
                out.push(character);
            }
            ' ' => {}
            '{' | '[' => {
                depth += 1;
                out.push(character);
                if !closes_next {
                    out.push_str(&format!("\n{}", "  ".repeat(depth)));
                }
            }
            '}' | ']' => {
                depth -= 1;
                if !out.ends_with(['{', '[']) {
                    out.push_str(&format!("\n{}", "  ".repeat(depth)));
                }
                out.push(character);
            }
            ',' => out.push_str(&format!(",\n{}", "  ".repeat(depth))),
            ':' => out.push_str(": "),
            other => {
                in_string = other == '"';
                out.push(other);
            }
        }
    }
    out + "\n"
}

#[test]
fn requests_are_said_as_chat_requests() {
    for case in cases() {
        let body = fs::read(case.join("request.json")).unwrap();
        let chat = request(&body, "org/upstream-model").unwrap_or_else(|error| panic!("{}: {error}", case.display()));
        expect(&case.join("upstream_request.json"), &indented(&chat));
    }
}

#[test]
fn answers_are_said_as_responses() {
    for case in cases().iter().filter(|case| case.join("upstream_answer.json").exists()) {
        let chat = fs::read(case.join("upstream_answer.json")).unwrap();
        expect(&case.join("answer.json"), &indented(&answer(&chat, &settings(case)).unwrap()));
    }
}

#[test]
fn streams_are_said_as_events_of_a_response() {
    for case in cases().iter().filter(|case| case.join("upstream_stream.txt").exists()) {
        let chat = fs::read(case.join("upstream_stream.txt")).unwrap();
        let (events, _) = streamed(settings(case), [&chat[..]]);
        expect(&case.join("stream.txt"), &events);
    }
}

#[test]
fn an_answer_and_its_stream_end_in_the_same_response() {
    let both = |case: &&PathBuf| case.join("answer.json").exists() && case.join("stream.txt").exists();
    for case in cases().iter().filter(both) {
        let chat = fs::read(case.join("upstream_answer.json")).unwrap();
        let whole: serde_json::Value = serde_json::from_slice(&answer(&chat, &settings(case)).unwrap()).unwrap();
        let stream = fs::read(case.join("upstream_stream.txt")).unwrap();
        let (events, end) = streamed(settings(case), [&stream[..]]);
        let last = events.trim_end().rsplit("data: ").next().unwrap();
        let last: serde_json::Value = serde_json::from_str(last).unwrap();
        assert_eq!((&last["response"], end), (&whole, StreamEnd::Complete), "{}", case.display());
    }
}

#[test]
fn every_event_is_two_lines_with_the_next_number() {
    for case in cases().iter().filter(|case| case.join("upstream_stream.txt").exists()) {
        let chat = fs::read(case.join("upstream_stream.txt")).unwrap();
        let (events, _) = streamed(settings(case), [&chat[..]]);
        for (number, event) in events.trim_end().split("\n\n").enumerate() {
            let (name, data) = event.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
            let data: serde_json::Value = serde_json::from_str(data).unwrap();
            assert_eq!((data["type"].as_str(), data["sequence_number"].as_u64()), (Some(name), Some(number as u64)));
            assert!(!event.contains('\r') && event.lines().count() == 2, "{event}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_split_of_the_upstreams_bytes_changes_the_events(
        case in any::<Index>(),
        cuts in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let cases: Vec<_> = cases().into_iter().filter(|case| case.join("upstream_stream.txt").exists()).collect();
        let case = case.get(&cases);
        let chat = fs::read(case.join("upstream_stream.txt")).unwrap();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(chat.len())).chain([0, chat.len()]).collect();
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|cut| &chat[cut[0]..cut[1]]);
        prop_assert_eq!(streamed(settings(case), pieces), streamed(settings(case), [&chat[..]]));
    }

    #[test]
    fn damaged_streams_still_end_with_one_last_event(
        case in any::<Index>(),
        at in any::<Index>(),
        byte in any::<u8>(),
    ) {
        let cases: Vec<_> = cases().into_iter().filter(|case| case.join("upstream_stream.txt").exists()).collect();
        let case = case.get(&cases);
        let mut chat = fs::read(case.join("upstream_stream.txt")).unwrap();
        let at = at.index(chat.len());
        chat[at] = byte;
        let (events, _) = streamed(settings(case), [&chat[..]]);
        let ends = ["completed", "incomplete", "failed"].map(|end| format!("event: response.{end}\n"));
        let last = |event: &&str| ends.iter().any(|end| event.starts_with(end));
        prop_assert_eq!(events.split_inclusive("\n\n").filter(last).count(), 1);
        prop_assert!(events.split_inclusive("\n\n").last().is_some_and(|event| last(&event)));
    }

    #[test]
    fn damaged_requests_are_refused_or_said_in_valid_json(case in any::<Index>(), at in any::<Index>(), byte in 0x20..0x7f_u8) {
        let cases = cases();
        let mut body = fs::read(case.get(&cases).join("request.json")).unwrap();
        let at = at.index(body.len());
        body[at] = byte;
        if let Ok(chat) = request(&body, "up") {
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&chat).is_ok());
        }
    }
}

#[test]
fn what_cannot_be_said_is_refused_with_its_place() {
    let cases = [
        (r#"{"input":"x","previous_response_id":"resp_1"}"#, "previous_response_id"),
        (r#"{"input":"x","conversation":{"id":"conv_1"}}"#, "conversation"),
        (r#"{"prompt":{"id":"pmpt_1"}}"#, "prompt"),
        (r#"{"input":"x","background":true}"#, "background"),
        (r#"{"input":"x","top_logprobs":2}"#, "top_logprobs"),
        (r#"{"input":"x","include":["reasoning.encrypted_content","message.output_text.logprobs"]}"#, "include.1"),
        (r#"{"input":"x","n":5}"#, "n"),
        (r#"{"input":"x","messages":[]}"#, "messages"),
        (r#"{"input":"x","tools":[{"type":"function","name":"f"},{"type":"code_interpreter"}]}"#, "tools.1.type"),
        (r#"{"input":"x","tools":[{"type":"mcp","server_label":"s"}]}"#, "tools.0.type"),
        (
            r#"{"input":"x","tools":[{"type":"namespace","name":"n","tools":[{"type":"local_shell"}]}]}"#,
            "tools.0.tools.0.type",
        ),
        (
            r#"{"input":"x","tools":[{"type":"function","name":"f"}],"tool_choice":{"type":"web_search"}}"#,
            "tool_choice.type",
        ),
        (r#"{"input":"x","text":{"format":{"type":"xml"}}}"#, "text.format.type"),
        (r#"{"input":[{"type":"item_reference","id":"msg_1"}]}"#, "input.0"),
        (r#"{"input":[{"id":"msg_1"}]}"#, "input.0"),
        (r#"{"input":[{"type":"web_search_call","id":"ws_1"}]}"#, "input.0.type"),
        (
            r#"{"input":[{"role":"user","content":[{"type":"input_image","file_id":"f"}]}]}"#,
            "input.0.content.0.file_id",
        ),
        (
            r#"{"input":[{"role":"user","content":[{"type":"input_file","file_url":"u"}]}]}"#,
            "input.0.content.0.file_url",
        ),
        (r#"{"input":[{"role":"user","content":[{"type":"input_video"}]}]}"#, "input.0.content.0.type"),
        (r#"{"input":[{"role":"assistant","content":[{"type":"input_image","image_url":"u"}]}]}"#, "input.0.content"),
    ];
    for (body, param) in cases {
        let error = request(body.as_bytes(), "up").unwrap_err();
        assert_eq!(error.param(), Some(param), "{body}: {error}");
        assert!(matches!(error, maas_llm::translate::TranslationError::Unsupported { .. }), "{body}: {error:?}");
    }
}

#[test]
fn each_fault_names_its_place() {
    let cases = [
        ("[]", None, "the request body must be an object"),
        ("{", None, "the request body is not valid JSON: unexpected end of input at byte 1"),
        ("{}", Some("input"), "missing required field `input`"),
        (r#"{"input":[]}"#, Some("input"), "`input` must not be empty"),
        (r#"{"input":7}"#, Some("input"), "`input` must be a string or an array"),
        (r#"{"input":[7]}"#, Some("input.0"), "`input.0` must be an object"),
        (r#"{"input":[{}]}"#, Some("input.0.type"), "missing required field `input.0.type`"),
        (r#"{"input":[{"role":"user"}]}"#, Some("input.0.content"), "missing required field `input.0.content`"),
        (
            r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":{"url":"u"}}]}]}"#,
            Some("input.0.content.1.image_url"),
            "`input.0.content.1.image_url` must be a string",
        ),
        (
            r#"{"input":[{"role":"tool","content":"x"}]}"#,
            Some("input.0.role"),
            "`input.0.role` must be `user`, `assistant`, `system` or `developer`",
        ),
        (
            r#"{"input":[{"type":"function_call_output","call_id":"c","output":"x"}]}"#,
            Some("input.0.call_id"),
            "`input.0.call_id` is the id of no call that stands before it",
        ),
        (
            r#"{"input":[{"type":"function_call","call_id":"c","name":"f","arguments":{}}]}"#,
            Some("input.0.arguments"),
            "`input.0.arguments` must be a string",
        ),
        (r#"{"input":"x","temperature":"hot"}"#, Some("temperature"), "`temperature` must be a number"),
        (r#"{"input":"x","stream":"yes"}"#, Some("stream"), "`stream` must be a boolean"),
        (
            r#"{"input":"x","max_output_tokens":-1}"#,
            Some("max_output_tokens"),
            "`max_output_tokens` must be a whole number",
        ),
        (
            r#"{"input":"x","tool_choice":"required"}"#,
            Some("tool_choice"),
            "`tool_choice` demands a tool, but there are no `tools`",
        ),
        (
            r#"{"input":"x","tools":[{"type":"function","name":"f"},{"type":"custom","name":"f"}]}"#,
            Some("tools.1.name"),
            "`tools.1.name` is the name of another tool, too",
        ),
        (
            r#"{"input":"x","tools":[{"type":"function","name":"f"}],"tool_choice":{"type":"function","name":"g"}}"#,
            Some("tool_choice.name"),
            "`tool_choice.name` names none of the `tools`",
        ),
        (r#"{"input":"\ud800"}"#, Some("input"), "`input` must be a string"),
    ];
    for (body, param, message) in cases {
        let error = request(body.as_bytes(), "up").unwrap_err();
        assert_eq!((error.param(), error.to_string().as_str()), (param, message), "{body}");
    }
}

#[test]
fn hostile_nesting_is_refused() {
    let deep = |depth| format!(r#"{{"input":"x","metadata":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(request(deep(63).as_bytes(), "up").is_ok());
    let error = request(deep(64).as_bytes(), "up").unwrap_err();
    assert!(error.to_string().contains("nested too deep"), "{error}");
    assert!(ResponseSettings::from_request(deep(64).as_bytes(), "resp_1".into(), "m".into(), 0).is_err());
}

#[test]
fn a_picture_of_32_megabytes_passes() {
    let url = format!("data:image/png;base64,{}", "iVBOR/+w".repeat(4 << 20));
    let body = format!(r#"{{"input":[{{"role":"user","content":[{{"type":"input_image","image_url":"{url}"}}]}}]}}"#);
    let chat = request(body.as_bytes(), "up").unwrap();
    assert!(chat.len() < url.len() + 200);
    assert!(memchr::memmem::find(&chat, url.as_bytes()).is_some());
}

#[test]
fn an_endless_answer_is_ended() {
    let settings = ResponseSettings::from_request(b"{}", "resp_1".into(), "m".into(), 0).unwrap();
    let delta = "x".repeat(1 << 19);
    let chunk = format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{delta}\"}}}}]}}\n\n");
    let (events, _) = streamed(settings, std::iter::repeat_n(chunk.as_bytes(), 40));
    let last = events.rsplit("event: ").next().unwrap();
    assert!(last.starts_with("response.failed\n") && last.contains("too large"), "{}", &last[..200]);
    assert_eq!(events.matches("event: response.output_text.delta\n").count(), 31);
}

#[test]
fn floods_of_tools_and_calls_are_refused() {
    let tools: Vec<_> = (0..1_025).map(|number| format!(r#"{{"type":"function","name":"f{number}"}}"#)).collect();
    let error = request(format!(r#"{{"input":"x","tools":[{}]}}"#, tools.join(",")).as_bytes(), "up").unwrap_err();
    assert_eq!(error.param(), Some("tools.1024.type"));

    let settings = ResponseSettings::from_request(b"{}", "resp_1".into(), "m".into(), 0).unwrap();
    let chunk = |number: usize| {
        let call = format!(r#"{{"index":{number},"id":"c{number}","function":{{"name":"f","arguments":"{{}}"}}}}"#);
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":[{call}]}}}}]}}\n\n")
    };
    let stream: String = (0..1_025).map(chunk).collect();
    let (events, _) = streamed(settings, [stream.as_bytes()]);
    assert!(events.rsplit("event: ").next().unwrap().starts_with("response.failed\n"));
}

#[test]
fn responses_are_also_said_by_way_of_messages() {
    let messages = concat!(
        "event: message_start\n",
        r#"data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","#,
        r#""content":[],"stop_reason":null,"usage":{"input_tokens":9,"output_tokens":1}}}"#,
        "\n\nevent: content_block_start\n",
        r#"data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        "\n\nevent: content_block_delta\n",
        r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi."}}"#,
        "\n\nevent: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}",
        "\n\nevent: message_delta\n",
        r#"data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":4}}"#,
        "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    );
    let chat = MessagesAsChat::new(FilterSettings::new("mine".to_owned(), true, "req_1".to_owned()), 1);
    let settings = ResponseSettings::from_request(b"{}", "resp_1".into(), "mine".into(), 0).unwrap();
    let mut stream = TranslatedStream::new(Box::new(chat), Translator::new(settings), "req_1".to_owned());
    let mut out = Vec::new();
    stream.push(Bytes::from_static(messages.as_bytes()), &mut out).unwrap();
    assert_eq!(stream.ended(), Some(StreamEnd::Complete));
    let events = String::from_utf8(out.concat()).unwrap();
    let last = events.rsplit("event: ").next().unwrap();
    assert!(last.starts_with("response.completed\n") && last.contains(r#""text":"Hi.""#), "{last}");
    assert!(last.contains(r#""input_tokens":9"#) && last.contains(r#""output_tokens":4"#), "{last}");
}
