//! The edge of the data plane, byte by byte: what is not exactly one well-formed request is refused, and nothing of it
//! ever becomes a second one.

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use actix_web::App;
use futures_util::future::join_all;
use maas_runtime::config::HumanDuration;
use maas_web::edge::{ClientPatience, DataPlaneOptions, serve_data_plane};

use crate::{
    http::{Answer, Connection, Request},
    world::{CHAT, World, chat_body},
};

/// Short enough to wait for.
pub const SHORT: Duration = Duration::from_millis(300);

pub const IMPATIENT: ClientPatience = ClientPatience { head: SHORT, idle: SHORT, stalled: SHORT };

/// The proxy of a world behind a listener with other limits.
pub fn listen(world: &World, patience: ClientPatience) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let drain = Duration::from_secs(1);
    let options = DataPlaneOptions { workers: 1, drain, patience, render_refusal: maas_proxy::refuse_at_edge };
    let proxy = world.proxy.clone();
    let app = move || App::new().default_service(proxy.data_plane());
    serve_data_plane(&world.process.lifecycle, "edge", listener, options, app).unwrap();
    address
}

/// Sends everything at once and reads until the server closes.
async fn exchange(address: SocketAddr, bytes: Vec<u8>) -> Answer {
    let mut connection = Connection::to(address).await;
    connection.write(&bytes).await;
    connection.rest().await
}

pub struct Edge {
    pub world: World,
    pub address: SocketAddr,
}

impl Edge {
    pub async fn start() -> Self {
        let world = World::with_settings(|settings| settings.body_gap = HumanDuration::from_millis(100)).await;
        let address = listen(&world, IMPATIENT);
        Self { world, address }
    }

    /// The lines of a good request up to where its body is framed.
    pub fn head(&self, target: &str, id: &str) -> String {
        let key = self.world.key.expose();
        format!(
            "POST {target} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {key}\r\nx-request-id: {id}\r\n\
             content-type: application/json\r\n"
        )
    }

    /// Each must be refused with one of these, or cut off, and no upstream must hear of anything.
    async fn refuses(&self, statuses: &[u16], vectors: Vec<(String, String)>) {
        let sent = vectors.iter().map(|(_, bytes)| exchange(self.address, bytes.clone().into_bytes()));
        for ((name, _), answer) in vectors.iter().zip(join_all(sent).await) {
            assert!(statuses.contains(&answer.status), "{name}: {answer:?}");
            assert!(!answer.text().contains("HTTP/1.1 200"), "{name}: {}", answer.text());
        }
        let heard = self.world.upstream.last_requests();
        assert!(heard.is_empty(), "{heard:?}");
        let alive = Request::new(self.address, "GET", "/health").send().await;
        assert_eq!(alive.status, 200);
    }

    /// The same with a whole request behind each, that belongs to nobody when the first has no clear end.
    async fn refuses_with_what_follows(&self, statuses: &[u16], vectors: impl IntoIterator<Item = (String, String)>) {
        let smuggled = String::from_utf8(self.world.chat("chat", "").id("smuggled").bytes()).unwrap();
        self.refuses(statuses, vectors.into_iter().map(|(name, bytes)| (name, bytes + &smuggled)).collect()).await;
    }
}

#[tokio::test]
async fn a_body_that_is_framed_in_two_ways_is_refused() {
    let edge = Edge::start().await;
    let body = chat_body("chat", "").to_string();
    let length = body.len();
    let chunked = format!("{length:x}\r\n{body}\r\n0\r\n\r\n");
    let framings = [
        format!("content-length: {length}\r\ntransfer-encoding: chunked"),
        format!("transfer-encoding: chunked\r\ncontent-length: {length}"),
        "content-length: 0\r\ntransfer-encoding: chunked".to_owned(),
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked".to_owned(),
        "transfer-encoding: chunked\r\ntransfer-encoding: identity".to_owned(),
        "transfer-encoding: identity\r\ntransfer-encoding: chunked".to_owned(),
        "transfer-encoding: chunked, identity".to_owned(),
        "transfer-encoding: chunked, chunked".to_owned(),
        "transfer-encoding: gzip, chunked".to_owned(),
        "transfer-encoding: identity".to_owned(),
        "transfer-encoding: xchunked".to_owned(),
        "transfer-encoding: \"chunked\"".to_owned(),
        "transfer-encoding: chunked;q=1".to_owned(),
        "transfer-encoding: chunk".to_owned(),
        "transfer-encoding: \u{b}chunked".to_owned(),
        "transfer-encoding: chunked\u{a0}".to_owned(),
        "transfer-encoding : chunked".to_owned(),
        "transfer-encoding\t: chunked".to_owned(),
        " transfer-encoding: chunked".to_owned(),
        "x: y\r\n transfer-encoding: chunked".to_owned(),
        "transfer-encoding:\r\n chunked".to_owned(),
        "transfer_encoding: chunked".to_owned(),
        "transfer-encoding\0: chunked".to_owned(),
        format!("upgrade: websocket\r\ncontent-length: {length}"),
        format!("connection: upgrade\r\nupgrade: WebSocket\r\ncontent-length: {length}"),
    ];
    let vectors =
        framings.map(|framing| (framing.clone(), format!("{}{framing}\r\n\r\n{chunked}", edge.head(CHAT, "v"))));
    edge.refuses_with_what_follows(&[400], vectors).await;
}

#[tokio::test]
async fn a_length_that_is_not_one_number_is_refused() {
    let edge = Edge::start().await;
    let body = chat_body("chat", "").to_string();
    let length = body.len();
    let lengths = [
        format!("{length}\r\ncontent-length: {length}"),
        format!("{length}\r\ncontent-length: 0"),
        format!("0\r\ncontent-length: {length}"),
        format!("{length}, {length}"),
        format!("{length} {length}"),
        format!("+{length}"),
        format!("-{length}"),
        format!("0x{length:x}"),
        format!("{length}.0"),
        "1e2".to_owned(),
        String::new(),
        "18446744073709551616".to_owned(),
        "18446744073709551615".to_owned(),
        "\u{661}\u{662}".to_owned(),
    ];
    let vectors =
        lengths.map(|value| (value.clone(), format!("{}content-length: {value}\r\n\r\n{body}", edge.head(CHAT, "v"))));
    edge.refuses_with_what_follows(&[400, 413], vectors).await;
}

#[tokio::test]
async fn chunks_that_are_not_well_formed_are_refused() {
    let edge = Edge::start().await;
    let body = chat_body("chat", "").to_string();
    let size = format!("{:x}", body.len());
    let chunks = [
        format!("zz\r\n{body}\r\n0\r\n\r\n"),
        format!("-{size}\r\n{body}\r\n0\r\n\r\n"),
        format!("+{size}\r\n{body}\r\n0\r\n\r\n"),
        format!("0x{size}\r\n{body}\r\n0\r\n\r\n"),
        format!("{size} {size}\r\n{body}\r\n0\r\n\r\n"),
        format!("{size};a=\n{body}\r\n0\r\n\r\n"),
        format!("{size}\n{body}\n0\n\n"),
        format!("{size}\r{body}\r\n0\r\n\r\n"),
        format!("fffffffffffffffff\r\n{body}\r\n0\r\n\r\n"),
        format!("ffffffffffffffff\r\n{body}\r\n0\r\n\r\n"),
        format!("{size}\r\n{body}0\r\n\r\n"),
        format!("{size}\r\n{body}xx0\r\n\r\n"),
        format!("\r\n{size}\r\n{body}\r\n0\r\n\r\n"),
    ];
    let head = format!("{}transfer-encoding: chunked\r\n\r\n", edge.head(CHAT, "v"));
    edge.refuses_with_what_follows(&[400, 408], chunks.map(|chunk| (chunk.clone(), format!("{head}{chunk}")))).await;
}

#[tokio::test]
async fn header_lines_that_are_not_well_formed_are_refused() {
    let edge = Edge::start().await;
    let body = chat_body("chat", "").to_string();
    let many = "x: y\r\n".repeat(200);
    let lines = [
        "x : y",
        "x\t: y",
        " x: y",
        "x: y\r\n z",
        "x: y\0z",
        "x: y\rz",
        "x\0: y",
        "x y: z",
        "x(y): z",
        "x\u{e9}: y",
        ": y",
        "no colon",
        "host: other",
        &many,
    ]
    .map(str::to_owned);
    let long = [format!("x: {}", "y".repeat(200_000)), format!("{}: y", "x".repeat(140_000))];
    let vector = |line: &String| {
        let head = edge.head(CHAT, "v");
        (
            line.chars().take(40).collect(),
            format!("{head}{}\r\ncontent-length: {}\r\n\r\n{body}", line.trim_end_matches("\r\n"), body.len()),
        )
    };
    edge.refuses_with_what_follows(&[400, 431], lines.iter().chain(&long).map(vector)).await;
}

#[tokio::test]
async fn a_name_that_the_http_implementation_cannot_hold_ends_its_own_connection_only() {
    let edge = Edge::start().await;
    // All connections are on the same thread.
    let mut body = chat_body("chat", "chunk-delay-100");
    body["stream"] = true.into();
    let other = Request::new(edge.address, "POST", CHAT).key(edge.world.key.expose()).body(body.to_string());
    let mut other = other.open().await;
    other.until("steady").await;
    let head = format!("GET /health HTTP/1.1\r\nhost: test\r\n{}: y\r\n\r\n", "x".repeat(70_000));
    assert_eq!(exchange(edge.address, head.into_bytes()).await.status, 0);
    other.until("[DONE]").await;
}

#[tokio::test]
async fn request_lines_that_name_nothing_of_ours_are_refused() {
    let edge = Edge::start().await;
    let body = chat_body("chat", "").to_string();
    let long = format!("/v1/chat/completions?{}", "a".repeat(70_000));
    let targets = [
        "v1/chat/completions",
        "test:443",
        "*",
        "",
        "/v1/../v1/chat/completions",
        "/v1/./chat/completions",
        "/v1/chat/completions/..",
        "/../../v1/chat/completions",
        "/%2e%2e/v1/chat/completions",
        "/v1/chat%2fcompletions",
        "/v1/chat/%63ompletions%00",
        "/v1/chat\\completions",
        "\\v1\\chat\\completions",
        "/v1/chat completions",
        "/v1/chat/completions\0",
        &long,
    ];
    let framing = format!("content-length: {}\r\n\r\n{body}", body.len());
    let mut vectors: Vec<_> = targets
        .iter()
        .map(|target| (target.chars().take(40).collect(), format!("{}{framing}", edge.head(target, "v"))))
        .collect();
    let good = edge.head(CHAT, "v");
    for (name, head) in [
        ("CONNECT", good.replace("POST /v1/chat/completions", "CONNECT test:443")),
        ("TRACE", good.replace("POST", "TRACE")),
        ("lower case", good.replace("POST", "post")),
        ("no method", good.replace("POST ", " ")),
        ("HTTP/0.9", good.replace(" HTTP/1.1", "")),
        ("HTTP/1.2", good.replace("HTTP/1.1", "HTTP/1.2")),
        ("HTTP/2.0", good.replace("HTTP/1.1", "HTTP/2.0")),
        ("http/1.1", good.replace("HTTP/1.1", "http/1.1")),
        ("no host", good.replace("host: test\r\n", "")),
    ] {
        vectors.push((name.to_owned(), format!("{head}{framing}")));
    }
    vectors.push((
        "1.0 chunked".to_owned(),
        format!("{}transfer-encoding: chunked\r\n\r\n0\r\n\r\n", good.replace("HTTP/1.1", "HTTP/1.0")),
    ));
    edge.refuses(&[400, 404, 405], vectors).await;
}

#[tokio::test]
async fn odd_but_lawful_spellings_are_served_once() {
    let edge = Edge::start().await;
    let body = chat_body("chat", "").to_string();
    let (length, size) = (body.len(), format!("{:X}", body.len()));
    let plain = format!("content-length: {length}\r\n\r\n{body}");
    let chunked = format!("{size};name=\"value\"\r\n{body}\r\n0\r\n\r\n");
    let sent = [
        format!("{}{plain}", edge.head("http://other.test/v1/chat/completions", "absolute")),
        format!("\r\n{}{plain}", edge.head(CHAT, "blank-line")),
        format!("{}transfer-encoding:\tChunked\r\n\r\n{chunked}", edge.head(CHAT, "upper-case")),
        format!("{}{plain}", edge.head(CHAT, "bare-lf")).replace("\r\n", "\n"),
        format!("{}content-length: 00{length}\r\n\r\n{body}", edge.head(CHAT, "zeros")),
        format!("{}connection: upgrade\r\nupgrade: h2c\r\n{plain}", edge.head(CHAT, "upgrade")),
    ];
    let answers = join_all(sent.map(|bytes| exchange(edge.address, bytes.into_bytes()))).await;
    for (name, answer) in ["absolute", "blank-line", "upper-case", "bare-lf", "zeros", "upgrade"].iter().zip(&answers) {
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
    }
    let heard = edge.world.upstream.last_requests();
    let mut ids: Vec<_> = heard.iter().filter_map(|request| request.header("x-request-id")).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["absolute", "bare-lf", "blank-line", "upgrade", "upper-case", "zeros"]);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order_with_their_own_keys() {
    let edge = Edge::start().await;
    let good = |id| edge.world.chat("chat", "").keep_alive().id(id).bytes();
    let without_key =
        edge.world.request("POST", CHAT).keep_alive().id("second").body(chat_body("chat", "").to_string());
    let mut connection = Connection::to(edge.address).await;
    connection.write(&[good("first"), without_key.bytes(), good("third")].concat()).await;
    for (id, status) in [("first", 200), ("second", 401), ("third", 200)] {
        let answer = connection.one_answer().await;
        assert_eq!((answer.header("x-request-id"), answer.status), (Some(id), status));
    }
    assert_eq!(edge.world.upstream.last_requests().len(), 2);
}

#[tokio::test]
async fn http_1_0_is_served_with_and_without_keep_alive() {
    let edge = Edge::start().await;
    let old = |request: Request| String::from_utf8(request.bytes()).unwrap().replacen("HTTP/1.1", "HTTP/1.0", 1);
    let closing = exchange(edge.address, old(edge.world.chat("chat", "").keep_alive()).into_bytes()).await;
    assert_eq!((closing.status, closing.whole), (200, true));

    let mut connection = Connection::to(edge.address).await;
    for _ in 0..2 {
        let request = edge.world.chat("chat", "").keep_alive().header("connection", "keep-alive");
        connection.write(old(request).as_bytes()).await;
        assert_eq!(connection.one_answer().await.status, 200);
    }
    // Chunks are unknown to it: the end of the connection ends the stream.
    let streamed = exchange(edge.address, old(edge.world.stream("chat", "").keep_alive()).into_bytes()).await;
    assert_eq!((streamed.header("transfer-encoding"), streamed.words()), (None, 4));
}

#[tokio::test]
async fn a_client_that_sends_its_whole_body_before_it_reads_sees_why_it_was_refused() {
    let edge = Edge::start().await;
    let body = vec![b' '; 4 << 20];
    for framing in [format!("content-length: {}", body.len()), "transfer-encoding: chunked".to_owned()] {
        let head = edge.head(CHAT, "big").replace("Bearer ", "Bearer wrong");
        let chunk = if framing.contains("chunked") { format!("{:x}\r\n", body.len()) } else { String::new() };
        let sent = [format!("{head}{framing}\r\n\r\n{chunk}").as_bytes(), &body].concat();
        let answer = exchange(edge.address, sent).await;
        assert_eq!(answer.error(), (401, "invalid_api_key".to_owned()), "{framing}");
    }
}

#[tokio::test]
async fn a_client_that_asks_whether_to_send_its_body_is_told_to() {
    let edge = Edge::start().await;
    let body = chat_body("chat", "").to_string();
    let mut connection = Connection::to(edge.address).await;
    let head = format!("{}expect: 100-continue\r\ncontent-length: {}\r\n\r\n", edge.head(CHAT, "asks"), body.len());
    connection.write(head.as_bytes()).await;
    connection.until("HTTP/1.1 100 Continue\r\n\r\n").await;
    connection.write(body.as_bytes()).await;
    connection.until("HTTP/1.1 200 OK").await;
}

#[tokio::test]
async fn head_and_options_are_answered_without_a_body() {
    let edge = Edge::start().await;
    for (method, target, status) in [
        ("HEAD", "/", 200),
        ("HEAD", "/health", 200),
        ("HEAD", CHAT, 405),
        ("OPTIONS", CHAT, 405),
        ("OPTIONS", "*", 404),
    ] {
        let mut connection = Request::new(edge.address, method, target).open().await;
        connection.until("\r\n\r\n").await;
        let answered = String::from_utf8_lossy(&connection.seen).into_owned();
        assert!(answered.starts_with(&format!("HTTP/1.1 {status}")), "{method} {target}: {answered}");
        let rest = connection.rest().await;
        assert!(method != "HEAD" || rest.body.is_empty(), "{method} {target}: {rest:?}");
    }
}
