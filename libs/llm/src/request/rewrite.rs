//! The body as the upstream gets it.

use bytes::Bytes;

use super::{RequestFields, found::StreamOptions};
use crate::{
    scan::push_json_string,
    splice::{Edit, splice_into},
};

/// What becomes of a request on its way to one upstream.
#[derive(Debug, Clone, Copy)]
pub struct Rewrite<'a> {
    /// The model's name at the upstream.
    pub model: &'a str,
    /// Ask for usage in the stream, if a chat or completion streams. The other languages report usage unasked.
    pub force_usage: bool,
    /// The upstream's own id of the earlier response, instead of the one the client knows.
    pub previous_response_id: Option<&'a str>,
}

/// The body with the changes of `rewrite`.
///
/// `fields` must come from a scan of this very `body`. Every other byte stays as the client wrote it; if nothing has to
/// change, the answer is the same buffer.
pub fn rewrite_request(body: &Bytes, fields: &RequestFields, rewrite: &Rewrite<'_>) -> Bytes {
    let mut edits = Vec::with_capacity(3);
    let (mut model, mut previous) = (Vec::new(), Vec::new());
    if fields.model != rewrite.model {
        push_json_string(&mut model, rewrite.model);
        edits.push(Edit::new(fields.model_range.clone(), &model));
    }
    // Without `stream` some servers refuse `stream_options`.
    if rewrite.force_usage && fields.stream && !fields.include_usage {
        edits.extend(ask_for_usage(fields));
    }
    if let (Some(theirs), Some((_, range))) = (rewrite.previous_response_id, &fields.previous_response_id) {
        push_json_string(&mut previous, theirs);
        edits.push(Edit::new(range.clone(), &previous));
    }
    if edits.is_empty() {
        return body.clone();
    }
    let mut out = Vec::new();
    splice_into(&mut out, body, &mut edits);
    out.into()
}

fn ask_for_usage(fields: &RequestFields) -> Option<Edit<'static>> {
    Some(match &fields.stream_options {
        StreamOptions::Foreign => return None,
        StreamOptions::Absent => Edit::insert(fields.model_range.end, br#","stream_options":{"include_usage":true}"#),
        StreamOptions::Null(range) => Edit::new(range.clone(), br#"{"include_usage":true}"#),
        StreamOptions::Object { include_usage: Some(range), .. } => Edit::new(range.clone(), b"true"),
        StreamOptions::Object { range, empty: true, .. } => Edit::insert(range.start + 1, br#""include_usage":true"#),
        StreamOptions::Object { range, .. } => Edit::insert(range.start + 1, br#""include_usage":true,"#),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use maas_types::Operation;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const fn to(model: &str, force_usage: bool) -> Rewrite<'_> {
        Rewrite { model, force_usage, previous_response_id: None }
    }

    fn rewrite(body: &str, operation: Operation, rewrite: &Rewrite<'_>) -> String {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let fields = RequestFields::scan(&body, operation).unwrap();
        String::from_utf8(rewrite_request(&body, &fields, rewrite).to_vec()).unwrap()
    }

    #[test]
    fn the_earlier_response_gets_its_upstream_id() {
        let body = r#"{"previous_response_id": "resp_ours", "model":"m","input":"x"}"#;
        let with_id = Rewrite { previous_response_id: Some("resp_\"theirs"), ..to("up", false) };
        assert_eq!(
            rewrite(body, Operation::Responses, &with_id),
            r#"{"previous_response_id": "resp_\"theirs", "model":"up","input":"x"}"#
        );
        assert_eq!(
            rewrite(r#"{"model":"m","input":"x"}"#, Operation::Responses, &with_id),
            r#"{"model":"up","input":"x"}"#
        );
    }

    #[test]
    fn options_of_another_language_are_left_alone() {
        let body = r#"{"model":"m","input":"x","stream":true,"stream_options":{"include_obfuscation":false}}"#;
        assert_eq!(rewrite(body, Operation::Responses, &to("m", true)), body);
    }

    #[test]
    fn a_body_that_needs_no_change_is_the_same_buffer() {
        let body = Bytes::from_static(
            br#"{"model":"m","messages":[1],"stream":true,"stream_options":{"include_usage":true}}"#,
        );
        let fields = RequestFields::scan(&body, Operation::Chat).unwrap();
        assert_eq!(rewrite_request(&body, &fields, &to("m", true)).as_ptr(), body.as_ptr());
    }

    #[test]
    fn only_model_and_stream_options_change() {
        let cases = [
            (r#"{ "model" : "m", "messages":[1] }"#, r#"{ "model" : "up\"x", "messages":[1] }"#),
            (
                r#"{"messages":[1],"model":"m","stream":true}"#,
                r#"{"messages":[1],"model":"up\"x","stream_options":{"include_usage":true},"stream":true}"#,
            ),
            (
                r#"{"stream_options": null,"messages":[1],"model":"m","stream":true}"#,
                r#"{"stream_options": {"include_usage":true},"messages":[1],"model":"up\"x","stream":true}"#,
            ),
            (
                r#"{"model":"m","messages":[1],"stream":true,"stream_options":{ }}"#,
                r#"{"model":"up\"x","messages":[1],"stream":true,"stream_options":{"include_usage":true }}"#,
            ),
            (
                r#"{"model":"m","messages":[1],"stream":true,"stream_options":{"a":[]}}"#,
                r#"{"model":"up\"x","messages":[1],"stream":true,"stream_options":{"include_usage":true,"a":[]}}"#,
            ),
            (
                r#"{"model":"m","messages":[1],"stream":true,"stream_options":{"a":1,"include_usage":false}}"#,
                r#"{"model":"up\"x","messages":[1],"stream":true,"stream_options":{"a":1,"include_usage":true}}"#,
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(rewrite(body, Operation::Chat, &to("up\"x", true)), expected);
        }
    }

    prop_compose! {
        fn request()(
            model in "[a-zA-Z0-9/\"\\\\é ]{1,12}",
            stream in prop_oneof![Just(None), any::<bool>().prop_map(|value| Some(json!(value))), Just(Some(Value::Null))],
            options in prop_oneof![
                Just(None), Just(Some(Value::Null)), Just(Some(json!({}))), Just(Some(json!({"x": [1, "}"]}))),
                Just(Some(json!({"include_usage": null, "x": 1}))), any::<bool>().prop_map(|value| Some(json!({"a": 1, "include_usage": value}))),
            ],
            extra in prop::collection::btree_map("x[a-z\"\\\\]{0,4}", any::<String>(), 0..4),
            text in any::<String>(),
        ) -> Value {
            let mut request = json!({"model": model, "messages": [{"role": "user", "content": text}]});
            for (key, value) in extra { request[key] = json!(value); }
            if let Some(stream) = stream { request["stream"] = stream; }
            if let Some(options) = options { request["stream_options"] = options; }
            request
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn the_parsed_request_differs_only_where_it_should(mut request in request(), upstream in any::<String>(), force in any::<bool>(), pretty in any::<bool>()) {
            let body = Bytes::from(if pretty { serde_json::to_vec_pretty(&request) } else { serde_json::to_vec(&request) }.unwrap());
            let fields = RequestFields::scan(&body, Operation::Chat).unwrap();
            let rewritten: Value = serde_json::from_slice(&rewrite_request(&body, &fields, &to(&upstream, force))).unwrap();
            request["model"] = json!(upstream);
            if force && request["stream"] == json!(true) {
                if !request["stream_options"].is_object() { request["stream_options"] = json!({}); }
                request["stream_options"]["include_usage"] = json!(true);
            }
            prop_assert_eq!(rewritten, request);
        }
    }
}
