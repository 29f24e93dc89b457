//! Rerank, moderations, images, audio, tokens: the operations besides talking.

use crate::support::{Answer, call, form, read, send};
use maas_simulated_upstream::{Operation, SimulatedUpstream};
use serde_json::{Value, json};

async fn post_form(upstream: &SimulatedUpstream, path: &str, fields: &[(&str, &str)], file: (&str, &[u8])) -> Answer {
    let (headers, body) = form(fields, file);
    read(send(upstream, "POST", path, &headers, &body).await).await
}

#[tokio::test]
async fn documents_are_ranked_by_the_words_they_share_with_the_query() {
    let upstream = SimulatedUpstream::start().unwrap();
    let body = r#"{"model":"sim-chat","query":"red apple","documents":["green pear",{"text":"a red apple"},"red car"],"top_n":2}"#;
    for path in ["/rerank", "/v1/rerank", "/v2/rerank"] {
        let json = call(&upstream, "POST", path, body).await.json();
        let ranked: Vec<&Value> = json["results"].as_array().unwrap().iter().map(|result| &result["index"]).collect();
        assert_eq!(ranked, [1, 2]);
        assert_eq!(
            json["results"][0],
            json!({"index": 1, "document": {"text": "a red apple"}, "relevance_score": 1.0})
        );
        assert_eq!(json["usage"]["total_tokens"], 13);
    }
    assert_eq!(upstream.counters().of(Operation::Rerank).input_tokens, 39);
}

#[tokio::test]
async fn each_moderated_text_has_a_verdict() {
    let upstream = SimulatedUpstream::start().unwrap();
    let body = r#"{"input":["a quiet day","a violent day"]}"#;
    let json = call(&upstream, "POST", "/v1/moderations", body).await.json();
    let flags: Vec<&Value> = json["results"].as_array().unwrap().iter().map(|result| &result["flagged"]).collect();
    assert_eq!(flags, [false, true]);
    assert_eq!(json["results"][1]["categories"]["violence"], true);
    let parts =
        r#"{"model":"sim-chat","input":[{"type":"text","text":"fine"},{"type":"image_url","image_url":{"url":"x"}}]}"#;
    assert_eq!(call(&upstream, "POST", "/v1/moderations", parts).await.json()["results"].as_array().unwrap().len(), 1);
    let error = r#"{"model":"sim-chat","input":"x","user":"sim:error-internal"}"#;
    assert_eq!(call(&upstream, "POST", "/v1/moderations", error).await.status, 500);
}

#[tokio::test]
async fn images_are_made_with_usage_and_streamed() {
    let upstream = SimulatedUpstream::start().unwrap();
    let body = r#"{"model":"sim-chat","prompt":"a red apple","n":2}"#;
    let json = call(&upstream, "POST", "/v1/images/generations", body).await.json();
    assert_eq!(json["data"].as_array().unwrap().len(), 2);
    assert!(json["data"][0]["b64_json"].as_str().unwrap().starts_with("iVBORw0KGgo"));
    assert_eq!((&json["usage"]["input_tokens"], &json["usage"]["output_tokens"]), (&json!(3), &json!(544)));

    let body = r#"{"model":"sim-chat","prompt":"a red apple","stream":true,"partial_images":1}"#;
    let chunks = call(&upstream, "POST", "/v1/images/generations", body).await.chunks();
    let kinds: Vec<&Value> = chunks.iter().map(|chunk| &chunk["type"]).collect();
    assert_eq!(kinds, ["image_generation.partial_image", "image_generation.completed"]);
    assert_eq!(chunks[1]["usage"]["total_tokens"], 275);
}

#[tokio::test]
async fn edited_images_tell_how_much_arrived() {
    let upstream = SimulatedUpstream::start().unwrap();
    let fields = [("model", "sim-chat"), ("prompt", "more red")];
    let json = post_form(&upstream, "/v1/images/edits", &fields, ("image[]", &[7; 5_000])).await.json();
    assert_eq!(json["data"][0]["revised_prompt"], "received 5000 bytes");
    assert_eq!(json["usage"]["input_tokens_details"], json!({"text_tokens": 2, "image_tokens": 194}));
    assert_eq!(post_form(&upstream, "/v1/images/edits", &fields, ("other", b"x")).await.status, 400);
}

#[tokio::test]
async fn speech_is_bytes_or_events_with_usage() {
    let upstream = SimulatedUpstream::start().unwrap();
    let body = r#"{"model":"sim-chat+tokens-2","input":"say it now","voice":"alloy","response_format":"wav"}"#;
    let answer = call(&upstream, "POST", "/v1/audio/speech", body).await;
    assert!(answer.whole && answer.head.contains("content-type: audio/wav") && answer.head.contains("chunked"));
    assert_eq!(answer.bytes, (0..640u32).map(|position| (position % 251) as u8).collect::<Vec<_>>());

    let body = r#"{"model":"sim-chat","input":"say it now","voice":"alloy","instructions":"sim:tokens-2","stream_format":"sse"}"#;
    let chunks = call(&upstream, "POST", "/v1/audio/speech", body).await.chunks();
    assert_eq!((chunks.len(), &chunks[0]["type"]), (3, &json!("speech.audio.delta")));
    assert_eq!(chunks[2]["usage"], json!({"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}));
    assert!(!call(&upstream, "POST", "/v1/audio/speech", &body.replace("tokens-2", "fault-cut")).await.whole);
    assert_eq!(upstream.counters().of(Operation::Speech).completed, 2);
}

#[tokio::test]
async fn transcriptions_tell_how_much_arrived_in_every_format() {
    let upstream = SimulatedUpstream::start().unwrap();
    let file = vec![b'a'; 70_000];
    let ask = async |path: &str, format: &str, prompt: &str| {
        let fields = [("model", "sim-chat"), ("response_format", format), ("prompt", prompt)];
        post_form(&upstream, path, &fields, ("file", &file)).await
    };
    let json = ask("/v1/audio/transcriptions", "json", "sim:tokens-4").await.json();
    assert_eq!(json["text"], "received 70000 bytes steady");
    assert_eq!((&json["usage"]["type"], &json["usage"]["total_tokens"]), (&json!("tokens"), &json!(35)));
    let by_second = ask("/v1/audio/transcriptions", "json", "sim:usage-duration").await.json();
    assert_eq!(by_second["usage"], json!({"type": "duration", "seconds": 3}));
    let verbose = ask("/v1/audio/translations", "verbose_json", "").await.json();
    assert_eq!((&verbose["duration"], &verbose["usage"]["seconds"]), (&json!(3.0), &json!(3)));
    let srt = ask("/v1/audio/transcriptions", "srt", "sim:tokens-3").await.body;
    assert_eq!(srt, "1\n00:00:00,000 --> 00:00:03,000\nreceived 70000 bytes\n\n");
    assert_eq!(ask("/v1/audio/translations", "text", "sim:tokens-0").await.body, "received 70000 bytes\n");
}

#[tokio::test]
async fn a_streamed_transcription_brings_deltas_and_the_whole_text() {
    let upstream = SimulatedUpstream::start().unwrap();
    let fields = [("model", "sim-chat"), ("stream", "true"), ("prompt", "sim:tokens-5")];
    let chunks = post_form(&upstream, "/v1/audio/transcriptions", &fields, ("file", b"sound")).await.chunks();
    let text: String = chunks.iter().filter_map(|chunk| chunk["delta"].as_str()).collect();
    let done = chunks.last().unwrap();
    assert_eq!((&done["type"], done["text"].as_str()), (&json!("transcript.text.done"), Some(text.trim_end())));
    assert_eq!(done["usage"]["output_tokens"], 5);
}

#[tokio::test]
async fn a_large_file_arrives_whole_and_is_recorded_by_its_checksum() {
    let upstream = SimulatedUpstream::start().unwrap();
    let (headers, body) = form(&[("model", "sim-chat")], ("file", &vec![0x2d; 32 * 1024 * 1024]));
    let answer = read(send(&upstream, "POST", "/v1/audio/transcriptions", &headers, &body).await).await;
    assert!(answer.json()["text"].as_str().unwrap().starts_with("received 33554432 bytes"));
    let recorded = upstream.last_request().unwrap();
    assert!(recorded.body_is(&body) && !recorded.body_is(&body[1..]));
    assert_eq!(recorded.body.len(), 64 * 1024);
}

#[tokio::test]
async fn words_become_tokens_and_tokens_words() {
    let upstream = SimulatedUpstream::start().unwrap();
    let body = r#"{"model":"sim-chat","prompt":"rivers carry boats","return_token_strs":true}"#;
    let json = call(&upstream, "POST", "/tokenize", body).await.json();
    assert_eq!((&json["count"], &json["token_strs"][2]), (&json!(3), &json!("boats")));
    assert!(json["tokens"][2].as_u64().unwrap() >= 1_200);
    let body = r#"{"model":"sim-chat","messages":[{"role":"user","content":[{"type":"text","text":"one two"}]}]}"#;
    assert_eq!(call(&upstream, "POST", "/tokenize", body).await.json()["count"], 2);
    let body = r#"{"model":"sim-chat","tokens":[1,2]}"#;
    assert_eq!(call(&upstream, "POST", "/detokenize", body).await.json(), json!({"prompt": "rivers carry"}));
}
