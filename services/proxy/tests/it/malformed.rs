//! What the HTTP implementation refuses by itself, byte by byte: the client gets the documented error in its language,
//! once, and then the end of the connection; nobody else hears of it.

use std::{
    future::pending,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use actix_web::{App, HttpResponse, web};
use maas_events::usage::UsageEvent;
use maas_web::edge::{ClientPatience, DataPlaneOptions, serve_data_plane};

use crate::{
    edges::{Edge, SHORT, listen},
    fixtures,
    forms::{Form, TRANSCRIPTIONS, sound},
    http::{Answer, Connection, Request, checked_error},
    stand_ins::StandIn,
    world::{CHAT, MESSAGES, World, chat_body},
};

/// Smaller than no chunk can be.
const BAD_CHUNK: &str = "zz\r\n";

/// Sends everything at once.
async fn send(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Connection {
    let mut connection = Connection::to(address).await;
    connection.write(bytes.as_ref()).await;
    connection
}

/// Checks the documented error in OpenAI's shape, as the last answer of a connection.
#[track_caller]
fn check_openai(answer: &Answer, status: u16, code: &str, what: &str) {
    assert_eq!(answer.error(), (status, code.to_owned()), "{what}");
    assert_eq!(answer.header("x-request-id"), answer.json()["error"]["request_id"].as_str(), "{what}");
    check_last(answer, what);
}

/// The same in Anthropic's.
#[track_caller]
fn check_messages(answer: &Answer, status: u16, kind: &str, what: &str) {
    assert_eq!(answer.messages_error(), (status, kind.to_owned()), "{what}");
    assert_eq!(answer.header("request-id"), answer.json()["request_id"].as_str(), "{what}");
    check_last(answer, what);
}

#[track_caller]
fn check_last(answer: &Answer, what: &str) {
    let headers = ["content-type", "connection"].map(|name| answer.header(name).unwrap_or_default());
    assert_eq!(headers, ["application/json", "close"], "{what}: {}", answer.head);
}

async fn ends(connection: Connection, what: &str) {
    let rest = connection.rest().await;
    assert!(rest.status == 0 && rest.body.is_empty(), "{what}: {rest:?}");
}

/// The one answer there must be, before the connection ends.
async fn only_answer(mut connection: Connection, what: &str) -> Answer {
    let answer = connection.one_answer().await;
    ends(connection, what).await;
    answer
}

/// An application of the test's own behind the data plane's listener.
fn listen_to(world: &World, configure: fn(&mut web::ServiceConfig)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (drain, patience) = (Duration::from_secs(1), ClientPatience::default());
    let options = DataPlaneOptions { workers: 1, drain, patience, render_refusal: maas_proxy::refuse_at_edge };
    let app = move || App::new().configure(configure);
    serve_data_plane(&world.process.lifecycle, "own", listener, options, app).unwrap();
    address
}

#[tokio::test]
async fn each_head_that_cannot_be_read_gets_the_documented_error() {
    let edge = Edge::start().await;
    let body = chat_body("chat", "").to_string();
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let framed = |framing: &str| format!("{}{framing}\r\n\r\n{chunked}", edge.head(CHAT, "v")).into_bytes();
    let with = |line: &str| format!("{}{line}\r\n\r\n", edge.head(CHAT, "v")).into_bytes();
    let tls_hello = [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], &[7; 512]].concat();
    let (malformed, too_large) = ((400, "invalid_request"), (431, "request_too_large"));
    let cases = [
        ("two framings", framed("content-length: 5\r\ntransfer-encoding: chunked"), malformed),
        ("two lengths", framed("content-length: 5\r\ncontent-length: 6"), malformed),
        ("a length that is no number", framed("content-length: five"), malformed),
        ("websocket with a length", framed("upgrade: websocket\r\ncontent-length: 5"), malformed),
        ("no name of a header", with(": y"), malformed),
        ("a line without colon", with("no colon"), malformed),
        ("garbage", b"\x00\x01garbage\r\n\r\n".to_vec(), malformed),
        ("a TLS hello", tls_hello, malformed),
        ("a path that is none", b"GET nothing HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(), malformed),
        ("a tunnel", b"CONNECT test:443 HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(), malformed),
        ("no host", b"GET /health HTTP/1.1\r\n\r\n".to_vec(), malformed),
        ("a long header", with(&format!("x: {}", "y".repeat(200_000))), too_large),
        ("an endless header", format!("{}x: {}", edge.head(CHAT, "v"), "y".repeat(140_000)).into(), too_large),
        ("many headers", with(&"x: y\r\n".repeat(100)), too_large),
    ];
    for (what, bytes, (status, code)) in cases {
        let answer = only_answer(send(edge.address, bytes).await, what).await;
        check_openai(&answer, status, code, what);
    }
    assert!(edge.world.upstream.last_requests().is_empty());
    assert!(edge.world.finish().await.is_empty());
}

#[tokio::test]
async fn clients_of_messages_are_refused_in_their_own_shape() {
    let edge = Edge::start().await;
    let head = edge.head("/v1/messages?beta=true", "v");
    for (what, framing, status, kind) in [
        ("two framings", "content-length: 5\r\ntransfer-encoding: chunked", 400, "invalid_request_error"),
        ("websocket", "upgrade: websocket\r\ncontent-length: 5", 400, "invalid_request_error"),
        ("many headers", &"x: y\r\n".repeat(100), 431, "request_too_large"),
    ] {
        let answer = only_answer(send(edge.address, format!("{head}{framing}\r\n\r\n")).await, what).await;
        check_messages(&answer, status, kind, what);
    }
    let bad_chunk = format!("{}transfer-encoding: chunked\r\n\r\n{BAD_CHUNK}", edge.head(MESSAGES, "v"));
    let answer = only_answer(send(edge.address, bad_chunk).await, "chunk").await;
    check_messages(&answer, 400, "invalid_request_error", "chunk");
}

#[tokio::test]
async fn too_many_headers_over_http_2_are_refused_with_the_documented_error() {
    let edge = Edge::start().await;
    maas_runtime::tls::install_crypto_provider();
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let mut request = client.post(format!("http://{}{CHAT}", edge.address)).header("x-request-id", "mine");
    for number in 0..100 {
        request = request.header(format!("x-{number}"), "y");
    }
    let answer = request.send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["x-request-id"].as_bytes()), (431, &b"mine"[..]));
    assert_eq!(checked_error(&answer.json().await.unwrap()), "request_too_large");
}

#[tokio::test]
async fn a_slow_head_is_refused_the_first_and_every_later_one() {
    let world = World::start().await;
    let address = listen(&world, ClientPatience { head: SHORT, ..ClientPatience::default() });
    let connection = send(address, "POST /v1/chat/completions HTTP/1.1\r\nhost: ").await;
    check_openai(&only_answer(connection, "first").await, 408, "invalid_request", "first");

    let mut connection = send(address, Request::new(address, "GET", "/health").keep_alive().bytes()).await;
    assert_eq!(connection.one_answer().await.status, 200);
    connection.write(b"POST /v1/messages HTTP/1.1\r\nhost: ").await;
    check_messages(&only_answer(connection, "later").await, 408, "invalid_request_error", "later");
}

#[tokio::test]
async fn a_body_that_breaks_is_refused_once_at_once_and_later() {
    let edge = Edge::start().await;
    let head = format!("{}transfer-encoding: chunked\r\n", edge.head(CHAT, "v"));
    let connection = send(edge.address, format!("{head}\r\n5\r\n{{\"mod\r\n{BAD_CHUNK}")).await;
    check_openai(&only_answer(connection, "at once").await, 400, "invalid_request", "at once");

    let mut connection = send(edge.address, format!("{head}expect: 100-continue\r\n\r\n")).await;
    // Now the body is waited for.
    connection.until("100 Continue\r\n\r\n").await;
    connection.seen.clear();
    connection.write(BAD_CHUNK.as_bytes()).await;
    check_openai(&only_answer(connection, "later").await, 400, "invalid_request", "later");
    assert!(edge.world.finish().await.is_empty());
}

#[tokio::test]
async fn an_upload_that_breaks_on_the_way_to_its_upstream_is_refused_once_and_booked() {
    let upstream = StandIn::that_takes_all().await;
    let world = World::start().await;
    world.add_model(&fixtures::model("away", vec![fixtures::upstream(&upstream.base_url, "their-name")])).await;
    let form = Form::default().field("model", "away").file("file", &sound(1_000)).open();
    let chunk = [format!("{:x}\r\n", form.len()).as_bytes(), &form, b"\r\n"].concat();
    let upload = world.upload(TRANSCRIPTIONS, &chunk).keep_alive().id("broken").header("transfer-encoding", "chunked");
    let mut connection = upload.open().await;
    upstream.until_taken("their-name").await;
    connection.write(BAD_CHUNK.as_bytes()).await;
    check_openai(&only_answer(connection, "upload").await, 400, "invalid_request", "upload");
    upstream.until(|seen| seen.closed == 1).await;
    let events = world.finish().await;
    let told = |event: &UsageEvent| (event.request_id.clone(), event.outcome.clone(), event.status);
    assert_eq!(events.iter().map(told).collect::<Vec<_>>(), [("broken".to_owned(), "client_error".to_owned(), 400)]);
}

#[tokio::test]
async fn a_body_that_breaks_while_nobody_waits_for_it_is_refused_too() {
    let world = World::start().await;
    let address = listen_to(&world, |app| _ = app.default_service(web::to(pending::<HttpResponse>)));
    let head = "POST /v1/messages HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let connection = send(address, format!("{head}{BAD_CHUNK}")).await;
    check_messages(&only_answer(connection, "unread").await, 400, "invalid_request_error", "unread");
}

#[tokio::test]
async fn garbage_behind_a_request_is_refused_when_that_is_answered() {
    let edge = Edge::start().await;
    let good = edge.world.chat("chat", "delay-300").keep_alive().bytes();
    let mut at_once = send(edge.address, [&good[..], b"garbage\r\n\r\n"].concat()).await;
    assert_eq!(at_once.one_answer().await.status, 200);
    check_openai(&only_answer(at_once, "at once").await, 400, "invalid_request", "at once");

    let mut later = send(edge.address, &good).await;
    edge.world.upstream_counts(|counters| counters.requests.values().sum::<u64>() == 2).await;
    later.write(b"garbage\r\n\r\n").await;
    assert_eq!(later.one_answer().await.status, 200);
    check_openai(&only_answer(later, "later").await, 400, "invalid_request", "later");

    let stream = edge.world.message_stream("chat", "delay-300").keep_alive().bytes();
    let mut streamed = send(edge.address, [&stream[..], b"garbage\r\n\r\n"].concat()).await;
    streamed.until("\r\n0\r\n\r\n").await;
    let end = streamed.seen.windows(5).position(|bytes| bytes == b"0\r\n\r\n").unwrap() + 5;
    streamed.seen.drain(..end);
    // The language is that of the request before.
    check_messages(&only_answer(streamed, "streamed").await, 400, "invalid_request_error", "streamed");
    assert_eq!(edge.world.finish().await.len(), 3);
}

#[tokio::test]
async fn nothing_follows_the_last_answer_of_a_connection() {
    let edge = Edge::start().await;
    let closing = Request::new(edge.address, "GET", "/health").bytes();
    let connection = send(edge.address, [&closing[..], b"garbage\r\n\r\n"].concat()).await;
    assert_eq!(only_answer(connection, "closing").await.status, 200);

    let head = edge.head(CHAT, "v").replace("Bearer ", "Bearer wrong");
    let mut connection = send(edge.address, format!("{head}transfer-encoding: chunked\r\n\r\n5\r\n")).await;
    connection.until("invalid_api_key").await;
    connection.write(b"{....").await;
    connection.write(BAD_CHUNK.as_bytes()).await;
    check_openai(&only_answer(connection, "unread").await, 401, "invalid_api_key", "unread");
}

/// What an application must be able to say to its last byte.
const LOOKS_LIKE_A_REFUSAL: &str =
    "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n";

#[tokio::test]
async fn an_answer_that_looks_like_a_refusal_is_passed_on_as_it_is() {
    let world = World::start().await;
    let address = listen_to(&world, |app| {
        app.route("/whole", web::get().to(|| async { LOOKS_LIKE_A_REFUSAL }));
        app.route("/empty", web::get().to(HttpResponse::BadRequest));
    });
    for (path, text) in [("/whole", LOOKS_LIKE_A_REFUSAL), ("/empty", "")] {
        let request = Request::new(address, "GET", path).keep_alive().bytes();
        let mut connection = send(address, &request).await;
        assert_eq!(connection.one_answer().await.text(), text);
        connection.write(&[&request[..], b"garbage\r\n\r\n"].concat()).await;
        // With a refusal right behind it that cannot be told from it, both stay as they are.
        assert_eq!(connection.one_answer().await.text(), text);
        let refusal = only_answer(connection, path).await;
        assert_eq!((refusal.status, refusal.body.len()), (400, 0), "{path}");

        let mut connection = send(address, &request).await;
        assert_eq!(connection.one_answer().await.text(), text);
        connection.write(b"garbage\r\n\r\n").await;
        check_openai(&only_answer(connection, path).await, 400, "invalid_request", path);
    }
}
