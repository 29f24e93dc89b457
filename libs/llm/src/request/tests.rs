//! Bodies as clients and attackers write them.
#![allow(clippy::unwrap_used)]

use maas_types::Operation;

use super::*;
use crate::scan::ScanError;

fn chat(body: &str) -> Result<RequestFields, RequestError> {
    RequestFields::scan(body.as_bytes(), Operation::Chat)
}

#[test]
fn the_fields_that_matter_are_found() {
    let fields = chat(
        r#"{"messages":[{"role":"user","content":"\"model\":\"no\""}],"mod\u0065l":"a/b","stream":true,"n":2,
            "max_tokens":-1,"max_completion_tokens":16.0,"stream_options":{"include_usage":true},"extra":{"model":1}}"#,
    )
    .unwrap();
    assert_eq!((fields.model.as_str(), fields.stream, fields.include_usage), ("a/b", true, true));
    assert_eq!((fields.n, fields.output_cap), (Some(2), Some(16)));
}

#[test]
fn nulls_count_as_absent() {
    let fields =
        chat(r#"{"model":"m","messages":[1],"stream":null,"stream_options":null,"n":null,"max_tokens":null}"#).unwrap();
    assert_eq!((fields.stream, fields.include_usage, fields.n, fields.output_cap), (false, false, None, None));
}

#[test]
fn each_fault_names_its_field() {
    let cases = [
        (r#"{"messages":[1]}"#, Some("model"), "missing required field `model`"),
        (r#"{"model":"m"}"#, Some("messages"), "missing required field `messages`"),
        (r#"{"model":"m","messages":[ ]}"#, Some("messages"), "`messages` must not be empty"),
        (r#"{"model":"m","messages":"hi"}"#, Some("messages"), "`messages` must be an array"),
        (r#"{"model":"","messages":[1]}"#, Some("model"), "`model` must not be empty"),
        (r#"{"model":7,"messages":[1]}"#, Some("model"), "`model` must be a string"),
        (r#"{"model":"\ud800","messages":[1]}"#, Some("model"), "`model` must be a string"),
        (r#"{"model":"m","messages":[1],"stream":"yes"}"#, Some("stream"), "`stream` must be a boolean"),
        (r#"{"model":"m","messages":[1],"n":1.5}"#, Some("n"), "`n` must be a whole number"),
        (
            r#"{"model":"m","messages":[1],"stream_options":1}"#,
            Some("stream_options"),
            "`stream_options` must be an object",
        ),
        (r#"{"model":"m","messages":[1],"model":"x"}"#, Some("model"), "`model` is given more than once"),
        (r#"{"model":"m","messages":[1],"mode\u006c":"x"}"#, Some("model"), "`model` is given more than once"),
        (r#"{"model":"m","messages":[1],"Model":"x"}"#, Some("model"), "`model` is given more than once"),
        (r#"[1]"#, None, "the request body must be a JSON object"),
        (r#"{"model":"m",}"#, None, "the request body is not valid JSON: expected a string as key at byte 13"),
        ("", None, "the request body is not valid JSON: unexpected end of input at byte 0"),
    ];
    for (body, param, message) in cases {
        let error = chat(body).unwrap_err();
        assert_eq!((error.param(), error.to_string().as_str()), (param, message), "{body}");
    }
}

#[test]
fn a_model_name_may_have_256_characters() {
    let body = |length| format!(r#"{{"model":"{}","messages":[1]}}"#, "ä".repeat(length));
    assert!(chat(&body(256)).is_ok());
    assert_eq!(chat(&body(257)), Err(RequestError::TooLong { param: "model", limit: 256 }));
}

#[test]
fn hostile_nesting_is_refused() {
    let body = format!(r#"{{"model":"m","messages":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    assert!(matches!(chat(&body), Err(RequestError::InvalidJson(ScanError::TooDeep { .. }))));
}

#[test]
fn every_operation_wants_its_own_content() {
    use Operation::{
        Chat, Completion, CountTokens, Detokenize, Embeddings, ImageEdit, ImageGeneration, Messages, Moderation,
        Rerank, Responses, Speech, Tokenize,
    };
    let cases = [
        (Chat, r#""messages":[1]"#, "[1]"),
        (Completion, r#""prompt":"x""#, "\"x\""),
        (Embeddings, r#""input":["x"]"#, "[\"x\"]"),
        (Messages, r#""max_tokens":9,"messages":[1]"#, "[1]"),
        (CountTokens, r#""messages":[1]"#, "[1]"),
        (Responses, r#""prompt":{"id":"p"},"input":"x""#, "\"x\""),
        (Responses, r#""input":null,"prompt":{"id":"p"}"#, "{\"id\":\"p\"}"),
        (Rerank, r#""query":"q","documents":["d"]"#, "[\"d\"]"),
        (Rerank, r#""query":{"content":[]},"documents":{"content":[]}"#, "{\"content\":[]}"),
        (Moderation, r#""input":["x"]"#, "[\"x\"]"),
        (ImageGeneration, r#""prompt":"x""#, "\"x\""),
        (Speech, r#""input":"x""#, "\"x\""),
        (Tokenize, r#""messages":[1]"#, "[1]"),
        (Tokenize, r#""prompt":"x""#, "\"x\""),
        (Detokenize, r#""tokens":[]"#, "[]"),
        (ImageEdit, r#""images":[1]"#, ""),
    ];
    for (operation, members, content) in cases {
        let body = format!("{{\"model\":\"m\",{members}}}");
        let fields = RequestFields::scan(body.as_bytes(), operation).unwrap();
        assert_eq!(&body[fields.content], content, "{operation:?} {members}");
    }
}

#[test]
fn a_missing_or_wrong_content_is_named() {
    let fault = |operation, members: &str| {
        let body = format!("{{\"model\":\"m\"{members}}}");
        RequestFields::scan(body.as_bytes(), operation).unwrap_err()
    };
    let missing = |param| RequestError::MissingField { param };
    assert_eq!(fault(Operation::Completion, r#","messages":[1]"#), missing("prompt"));
    assert_eq!(fault(Operation::Responses, r#","input":null"#), missing("input"));
    assert_eq!(fault(Operation::Rerank, r#","documents":["d"]"#), missing("query"));
    assert_eq!(fault(Operation::Messages, r#","messages":[1]"#), missing("max_tokens"));
    assert_eq!(fault(Operation::Messages, r#","messages":[1],"max_tokens":null"#), missing("max_tokens"));
    assert_eq!(fault(Operation::Tokenize, ""), missing("prompt"));
    let wrong = |param, expected| RequestError::WrongType { param, expected };
    assert_eq!(fault(Operation::Embeddings, r#","input":null"#), wrong("input", "a string or an array"));
    assert_eq!(
        fault(Operation::Rerank, r#","query":"q","documents":"d""#),
        wrong("documents", "an array or an object")
    );
    assert_eq!(fault(Operation::ImageGeneration, r#","prompt":["x"]"#), wrong("prompt", "a string"));
    assert_eq!(fault(Operation::Responses, r#","input":[]"#), RequestError::Empty { param: "input" });
}

#[test]
fn tokenizers_are_told_why_a_model_is_needed() {
    let error = RequestFields::scan(br#"{"prompt":"x"}"#, Operation::Tokenize).unwrap_err();
    assert_eq!((error, error.param()), (RequestError::UnnamedModel, Some("model")));
    assert!(error.to_string().contains("many models are served here"));
}

#[test]
fn the_cap_is_found_in_whichever_field_it_stands() {
    let cap = |body: &str, operation| RequestFields::scan(body.as_bytes(), operation).unwrap().output_cap;
    assert_eq!(
        cap(r#"{"model":"m","messages":[1],"max_tokens":9,"max_completion_tokens":7}"#, Operation::Chat),
        Some(9)
    );
    assert_eq!(cap(r#"{"model":"m","messages":[1],"max_tokens":8}"#, Operation::Messages), Some(8));
    assert_eq!(
        cap(r#"{"model":"m","input":"x","max_output_tokens":5,"max_tokens":"no"}"#, Operation::Responses),
        Some(5)
    );
    assert_eq!(cap(r#"{"model":"m","input":"x","max_tokens":"no"}"#, Operation::Embeddings), None);
}

#[test]
fn a_response_may_go_on_from_an_earlier_one() {
    let body = r#"{"model":"m","previous_response_id":"resp_\u0061","input":"x","background":true,"conversation":"conv_1","prompt_cache_key":"k"}"#;
    let fields = RequestFields::scan(body.as_bytes(), Operation::Responses).unwrap();
    let (id, range) = fields.previous_response_id.unwrap();
    assert_eq!((id.as_str(), &body[range]), ("resp_a", "\"resp_\\u0061\""));
    assert_eq!((fields.background, fields.conversation, fields.prompt_cache_key.as_deref()), (true, true, Some("k")));
    let none = r#"{"model":"m","previous_response_id":null,"input":"x","background":null,"conversation":null,"prompt_cache_key":7}"#;
    let fields = RequestFields::scan(none.as_bytes(), Operation::Responses).unwrap();
    assert_eq!((fields.previous_response_id, fields.background, fields.conversation), (None, false, false));
    assert_eq!(fields.prompt_cache_key, None);
}

#[test]
fn what_reaches_into_an_upstream_has_one_spelling() {
    let scan = |members: &str, operation| {
        let body = format!("{{\"model\":\"m\",\"input\":\"x\",{members}}}");
        RequestFields::scan(body.as_bytes(), operation).map(drop)
    };
    let duplicate = |param| Err(RequestError::DuplicateField { param });
    assert_eq!(scan(r#""Previous_Response_ID":"r""#, Operation::Responses), duplicate("previous_response_id"));
    assert_eq!(scan(r#""background":false,"background":true"#, Operation::Responses), duplicate("background"));
    assert_eq!(scan(r#""BACKGROUND":true"#, Operation::Responses), duplicate("background"));
    assert_eq!(scan(r#""Background":1,"previous_response_id":[]"#, Operation::Embeddings), Ok(()));
    let long = format!(r#""previous_response_id":"{}""#, "r".repeat(MAX_RESPONSE_ID_BYTES + 1));
    assert!(matches!(scan(&long, Operation::Responses), Err(RequestError::TooLong { .. })));
}

#[test]
fn streams_are_asked_for_in_each_operations_own_way() {
    let streams = |body: &str, operation| RequestFields::scan(body.as_bytes(), operation).unwrap().stream;
    assert!(streams(r#"{"model":"m","input":"x","stream":true}"#, Operation::Responses));
    assert!(streams(r#"{"model":"m","max_tokens":1,"messages":[1],"stream":true}"#, Operation::Messages));
    assert!(streams(r#"{"model":"m","prompt":"x","stream":true}"#, Operation::ImageGeneration));
    assert!(streams(r#"{"model":"m","input":"x","stream_format":"sse"}"#, Operation::Speech));
    assert!(!streams(r#"{"model":"m","input":"x","stream_format":"audio","stream":"x"}"#, Operation::Speech));
    assert!(!streams(r#"{"model":"m","query":"q","documents":[1],"stream":true}"#, Operation::Rerank));
}

#[test]
fn embeddings_never_stream() {
    let fields = RequestFields::scan(br#"{"model":"m","input":"x","stream":true}"#, Operation::Embeddings).unwrap();
    assert!(!fields.stream);
}
