//! The body as the upstream gets it.

use bytes::Bytes;

use super::{RequestFields, fields::StreamOptions};
use crate::{
    scan::push_json_string,
    splice::{Edit, splice_into},
};

/// Names the upstream's model and, when `force_usage` and the request streams, asks for usage in the stream.
///
/// `fields` must come from a scan of this very `body`. Every other byte stays as the client wrote it; if nothing has to
/// change, the answer is the same buffer.
pub fn rewrite_request(body: &Bytes, fields: &RequestFields, upstream_model: &str, force_usage: bool) -> Bytes {
    let mut edits = Vec::with_capacity(2);
    let mut model = Vec::new();
    if fields.model != upstream_model {
        push_json_string(&mut model, upstream_model);
        edits.push(Edit::new(fields.model_range.clone(), &model));
    }
    // Without `stream` some servers refuse `stream_options`.
    if force_usage && fields.stream && !fields.include_usage {
        edits.push(ask_for_usage(fields));
    }
    if edits.is_empty() {
        return body.clone();
    }
    let mut out = Vec::new();
    splice_into(&mut out, body, &mut edits);
    out.into()
}

fn ask_for_usage(fields: &RequestFields) -> Edit<'static> {
    match &fields.stream_options {
        StreamOptions::Absent => Edit::insert(fields.model_range.end, br#","stream_options":{"include_usage":true}"#),
        StreamOptions::Null(range) => Edit::new(range.clone(), br#"{"include_usage":true}"#),
        StreamOptions::Object { include_usage: Some(range), .. } => Edit::new(range.clone(), b"true"),
        StreamOptions::Object { range, empty: true, .. } => Edit::insert(range.start + 1, br#""include_usage":true"#),
        StreamOptions::Object { range, .. } => Edit::insert(range.start + 1, br#""include_usage":true,"#),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use maas_types::Operation;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn rewrite(body: &str, model: &str) -> String {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let fields = RequestFields::scan(&body, Operation::Chat).unwrap();
        String::from_utf8(rewrite_request(&body, &fields, model, true).to_vec()).unwrap()
    }

    #[test]
    fn a_body_that_needs_no_change_is_the_same_buffer() {
        let body = Bytes::from_static(
            br#"{"model":"m","messages":[1],"stream":true,"stream_options":{"include_usage":true}}"#,
        );
        let fields = RequestFields::scan(&body, Operation::Chat).unwrap();
        assert_eq!(rewrite_request(&body, &fields, "m", true).as_ptr(), body.as_ptr());
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
            assert_eq!(rewrite(body, "up\"x"), expected);
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
            let rewritten: Value = serde_json::from_slice(&rewrite_request(&body, &fields, &upstream, force)).unwrap();
            request["model"] = json!(upstream);
            if force && request["stream"] == json!(true) {
                if !request["stream_options"].is_object() { request["stream_options"] = json!({}); }
                request["stream_options"]["include_usage"] = json!(true);
            }
            prop_assert_eq!(rewritten, request);
        }
    }
}
