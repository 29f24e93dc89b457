//! What cannot be a request of ours: a documented 4xx in OpenAI's shape, nothing metered, nobody called.

use std::io::Write as _;

use serde_json::json;

use crate::{
    http::Request,
    world::{CHAT, World, chat_body},
};

const TOO_MUCH: usize = 33 * 1024 * 1024;

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

fn raw(world: &World, body: impl Into<Vec<u8>>) -> Request {
    world.request("POST", CHAT).key(world.key.expose()).body(body)
}

fn brotli(plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    brotli::CompressorWriter::new(&mut out, 4096, 5, 22).write_all(plain).unwrap();
    out
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn each_fault_of_a_body_is_named() {
    let world = World::start().await;
    let nested = format!(r#"{{"model":"chat","messages":[1],"x":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    let long = format!(r#"{{"model":"{}","messages":[1]}}"#, "m".repeat(300));
    let cases = [
        ("not json", None),
        ("[]", None),
        ("", None),
        (r#"{"model":"chat","messages":[1]"#, None),
        (r#"{"messages":[1]}"#, Some("model")),
        (r#"{"model":"chat"}"#, Some("messages")),
        (r#"{"model":7,"messages":[1]}"#, Some("model")),
        (r#"{"model":"chat","messages":[]}"#, Some("messages")),
        (r#"{"model":"chat","messages":[1],"model":"dead"}"#, Some("model")),
        (r#"{"model":"chat","messages":[1],"Model":"dead"}"#, Some("model")),
        (r#"{"model":"chat","messages":[1],"stream":"yes"}"#, Some("stream")),
        (nested.as_str(), None),
        (long.as_str(), Some("model")),
    ];
    for (body, param) in cases {
        let answer = raw(&world, body).send().await;
        assert_eq!(answer.error(), refused(400, "invalid_request"), "{body:.80}");
        assert_eq!(answer.json()["error"]["param"].as_str(), param, "{body:.80}");
        assert_eq!(answer.header("x-request-id"), answer.json()["error"]["request_id"].as_str());
    }
    let not_text = [br#"{"model":"chat","messages":[1],"x":""#.as_slice(), b"\xff\"}"].concat();
    assert_eq!(raw(&world, not_text).send().await.status, 400);
    assert!(world.upstream.last_requests().is_empty());
    assert!(world.finish().await.is_empty());
}

#[tokio::test]
async fn paths_and_methods_are_checked() {
    let world = World::start().await;
    assert_eq!(world.get(CHAT).send().await.error(), refused(405, "method_not_allowed"));
    assert_eq!(world.request("POST", "/v1/models").send().await.error(), refused(405, "method_not_allowed"));
    assert_eq!(world.get("/v1/nothing").send().await.error(), refused(404, "unknown_url"));
}

#[tokio::test]
async fn media_types_and_encodings_are_checked_before_the_key() {
    let world = World::start().await;
    let post = || world.request("POST", CHAT).body("{}");
    let media = post().header("content-type", "text/plain").send().await;
    assert_eq!(media.error(), refused(415, "unsupported_media_type"));
    for encoding in ["compress", "gzip, br", "gzip\r\ncontent-encoding: br"] {
        let answer = post().header("content-encoding", encoding).send().await;
        assert_eq!(answer.error(), refused(415, "unsupported_encoding"), "{encoding}");
    }
    let with_charset = world.chat("chat", "").header("content-type", "Application/JSON; charset=utf-8").send().await;
    assert_eq!(with_charset.status, 200);
}

#[tokio::test]
async fn two_ways_of_framing_are_refused() {
    let world = World::start().await;
    let body = chat_body("chat", "").to_string();
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let length = chunked.len().to_string();
    let answer =
        raw(&world, chunked).header("content-length", &length).header("transfer-encoding", "chunked").send().await;
    assert_eq!(answer.error(), refused(400, "invalid_request"));
    assert!(world.upstream.last_requests().is_empty());
}

#[tokio::test]
async fn a_declared_size_is_refused_before_a_byte_of_the_body() {
    let world = World::start().await;
    let mut connection = raw(&world, "").header("content-length", &TOO_MUCH.to_string()).open().await;
    // Nothing of the body is sent, and the answer is there.
    connection.until("request_too_large").await;
    assert!(String::from_utf8_lossy(&connection.seen).starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn a_chunked_body_is_refused_when_it_passes_the_limit() {
    let world = World::start().await;
    let mut connection = raw(&world, "").header("transfer-encoding", "chunked").open().await;
    let piece = [b"100000\r\n".as_slice(), &vec![b' '; 1 << 20], b"\r\n"].concat();
    for _ in 0..33 {
        connection.write(&piece).await;
    }
    connection.until("request_too_large").await;
}

#[tokio::test]
async fn compressed_bodies_are_read() {
    let world = World::start().await;
    let plain = chat_body("chat", "").to_string().into_bytes();
    let zstd = zstd::encode_all(plain.as_slice(), 3).unwrap();
    for (encoding, body) in
        [("gzip", gzip(&plain)), ("br", brotli(&plain)), ("zstd", zstd), ("identity", plain.clone())]
    {
        let answer = raw(&world, body).header("content-encoding", encoding).send().await;
        assert_eq!(answer.status, 200, "{encoding}");
        assert!(world.upstream.last_requests().last().unwrap().body.starts_with('{'), "{encoding}");
    }
    let damaged = raw(&world, &b"no gzip at all"[..]).header("content-encoding", "gzip").send().await;
    assert_eq!(damaged.error(), refused(400, "invalid_request"));
}

#[tokio::test]
async fn a_bomb_stops_at_the_limit() {
    let world = World::with_settings(|settings| settings.max_body_bytes = 1 << 20).await;
    let zeros = vec![b' '; 64 << 20];
    let zstd = zstd::encode_all(zeros.as_slice(), 3).unwrap();
    for (encoding, body) in [("gzip", gzip(&zeros)), ("br", brotli(&zeros)), ("zstd", zstd)] {
        assert!(body.len() < 1 << 20, "{encoding}");
        let answer = raw(&world, body).header("content-encoding", encoding).send().await;
        assert_eq!(answer.error(), refused(413, "request_too_large"), "{encoding}");
    }
}

#[tokio::test]
async fn a_body_that_stops_coming_is_given_up() {
    let world = World::with_settings(|settings| settings.body_gap = crate::world::SHORTLY).await;
    let connection = raw(&world, "{").header("content-length", "100").open().await;
    assert_eq!(connection.rest().await.status, 408);
}

#[tokio::test]
async fn rights_are_checked_before_the_body_is_waited_for() {
    let world = World::start().await;
    let mut connection = world.request("POST", CHAT).header("content-length", "100").open().await;
    connection.until("invalid_api_key").await;
    let embeddings = json!({"model": "embed", "stream": true});
    assert_eq!(world.post("/v1/embeddings", &embeddings).send().await.error(), refused(400, "invalid_request"));
}

#[tokio::test]
async fn what_was_not_read_of_a_refused_request_is_never_taken_for_the_next_one() {
    let world = World::start().await;
    let smuggled = world.chat("chat", "").id("smuggled").bytes();
    let refused = world.request("POST", CHAT).key("wrong").keep_alive().body(smuggled).bytes();
    let honest = world.chat("chat", "").id("honest").bytes();
    let mut connection = world.connect().await;
    connection.write(&[refused, honest].concat()).await;
    connection.until("invalid_api_key").await;
    connection.rest().await;
    assert!(world.finish().await.iter().all(|event| event.request_id != "smuggled"));
}

#[tokio::test]
async fn a_chunked_body_is_read() {
    let world = World::start().await;
    let body = chat_body("chat", "").to_string();
    let (first, second) = body.split_at(20);
    let chunked = format!("{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", first.len(), second.len());
    assert_eq!(raw(&world, chunked).header("transfer-encoding", "chunked").send().await.status, 200);
}
