//! Clients that keep the data plane waiting, over HTTP/1 and HTTP/2: each is cut off in time, and what they leave is
//! given up upstream.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use maas_web::edge::ClientPatience;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    edges::{IMPATIENT, SHORT, listen},
    http::{Connection, Request},
    world::{CHAT, SHORTLY, World, chat_body},
};

/// It takes a third of a second; a machine may be slow.
const SOON: Duration = Duration::from_secs(10);
const FOR_EVER: Duration = Duration::from_secs(600);

/// Only this one time is short.
fn patience(change: impl FnOnce(&mut ClientPatience)) -> ClientPatience {
    let mut patience = ClientPatience { head: FOR_EVER, idle: FOR_EVER, stalled: FOR_EVER };
    change(&mut patience);
    patience
}

/// Until the server closes, which must be soon, but not before the time is up.
async fn is_cut_off(connection: Connection, began: Instant) {
    timeout(SOON, connection.rest()).await.expect("the connection is held open");
    assert!(began.elapsed() >= SHORT.mul_f32(0.9), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let world = World::start().await;
    let address = listen(&world, patience(|patience| patience.head = SHORT));
    is_cut_off(Connection::to(address).await, Instant::now()).await;
}

#[tokio::test]
async fn the_first_head_must_come_in_time() {
    let world = World::start().await;
    let address = listen(&world, patience(|patience| patience.head = SHORT));
    let mut connection = Connection::to(address).await;
    connection.write(b"POST /v1/chat/completions HTTP/1.1\r\n").await;
    let answer = timeout(SOON, connection.rest()).await.unwrap();
    assert_eq!(answer.status, 408);
}

#[tokio::test]
async fn every_later_head_must_come_in_time() {
    let world = World::start().await;
    let address = listen(&world, patience(|patience| patience.head = SHORT));
    let mut connection = Connection::to(address).await;
    connection.write(&Request::new(address, "GET", "/health").keep_alive().bytes()).await;
    connection.one_answer().await;
    let began = Instant::now();
    connection.write(b"POST /v1/chat/completions HTTP/1.1\r\n").await;
    is_cut_off(connection, began).await;
}

#[tokio::test]
async fn a_head_that_trickles_in_is_not_waited_for() {
    let world = World::start().await;
    let address = listen(&world, patience(|patience| patience.head = SHORT));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&Request::new(address, "GET", "/health").keep_alive().bytes()).await.unwrap();
    let trickle = async {
        // The answer comes with the first of these; the head that they are a part of never ends.
        stream.write_all(b"GET /health HTTP/1.1\r\nx: ").await.unwrap();
        while stream.write_all(b"y").await.is_ok() {
            if let Ok(Ok(0) | Err(_)) = timeout(Duration::from_millis(20), stream.read(&mut [0; 1024])).await {
                return;
            }
        }
    };
    timeout(SOON, trickle).await.expect("the trickle goes on");
}

#[tokio::test]
async fn an_idle_connection_is_closed_even_if_a_refused_body_was_never_sent() {
    let world = World::start().await;
    let address = listen(&world, patience(|patience| patience.idle = SHORT));
    let mut connection =
        Request::new(address, "POST", CHAT).keep_alive().header("transfer-encoding", "chunked").open().await;
    connection.until("invalid_api_key").await;
    timeout(SOON, connection.rest()).await.expect("the connection is held open");
}

#[tokio::test]
async fn a_body_that_was_refused_is_not_waited_for() {
    let world = World::with_settings(|settings| settings.max_body_bytes = 1_024).await;
    let address = listen(&world, patience(|_| {}));
    let mut connection = Connection::to(address).await;
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n",
        world.key.expose()
    );
    connection.write(head.as_bytes()).await;
    connection.write(format!("800\r\n{}\r\n", " ".repeat(2_048)).as_bytes()).await;
    let answer = timeout(SOON, connection.rest()).await.expect("the connection is held open");
    assert_eq!(answer.status, 413);
}

#[tokio::test]
async fn a_body_that_trickles_in_is_not_waited_for_longer_than_a_body_may_take() {
    let world = World::with_settings(|settings| settings.body_timeout = SHORTLY).await;
    let mut connection = world.connect().await;
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{{",
        world.key.expose()
    );
    connection.write(head.as_bytes()).await;
    let answer = timeout(SOON, connection.rest()).await.expect("the body is waited for");
    assert_eq!(answer.status, 408);
}

#[tokio::test]
async fn a_request_that_takes_its_time_is_not_cut_off() {
    let world = World::start().await;
    let address = listen(&world, IMPATIENT);
    let slow = Request::new(address, "POST", CHAT).key(world.key.expose());
    let answer = slow.body(chat_body("chat", "delay-1000").to_string()).send().await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_dropped_and_its_upstream_with_it() {
    let world = World::start().await;
    let address = listen(&world, patience(|patience| patience.stalled = SHORT));
    let mut body = chat_body("chat", "tokens-100000000+words-per-chunk-500");
    body["stream"] = true.into();
    body["max_tokens"] = 100_000_000.into();
    let request = Request::new(address, "POST", CHAT).key(world.key.expose()).body(body.to_string());
    let _unread = request.open().await;
    timeout(SOON, world.upstream_counts(|counters| counters.cancelled == 1)).await.expect("the upstream works on");
    // Hundreds of megabytes were to come; what did fits into the buffers of three sockets.
    assert!(world.upstream.counters().output_tokens < 5_000_000, "{:?}", world.upstream.counters());
}

fn http2() -> reqwest::Client {
    maas_runtime::tls::install_crypto_provider();
    // A small window, so that who does not read is soon in nobody's way.
    reqwest::Client::builder().http2_prior_knowledge().http2_initial_stream_window_size(65_535).build().unwrap()
}

fn http2_chat(world: &World, address: SocketAddr, modifiers: &str, stream: bool) -> reqwest::RequestBuilder {
    http2_chat_by(&http2(), world, address, modifiers, stream)
}

fn http2_chat_by(
    client: &reqwest::Client,
    world: &World,
    address: SocketAddr,
    modifiers: &str,
    stream: bool,
) -> reqwest::RequestBuilder {
    let mut body = chat_body("chat", modifiers);
    body["stream"] = stream.into();
    body["max_tokens"] = 100_000_000.into();
    client.post(format!("http://{address}{CHAT}")).bearer_auth(world.key.expose()).json(&body)
}

#[tokio::test]
async fn http_2_is_served_on_the_same_port() {
    let world = World::start().await;
    let address = listen(&world, ClientPatience::default());
    let answer = http2_chat(&world, address, "tokens-4", false).send().await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (reqwest::Version::HTTP_2, 200));
    let streamed = http2_chat(&world, address, "tokens-4", true).send().await.unwrap().text().await.unwrap();
    assert!(streamed.ends_with("data: [DONE]\n\n"), "{streamed}");
    let refused = http2().post(format!("http://{address}{CHAT}")).send().await.unwrap();
    assert_eq!(refused.status(), 401);
}

#[tokio::test]
async fn an_http_2_client_that_leaves_cancels_its_upstream() {
    let world = World::start().await;
    let address = listen(&world, ClientPatience::default());
    let waiting = tokio::spawn(http2_chat(&world, address, "delay-60000", false).send());
    world.upstream_counts(|counters| counters.input_tokens == 5).await;
    waiting.abort();
    timeout(SOON, world.upstream_counts(|counters| counters.cancelled == 1)).await.expect("the upstream works on");

    let stream = http2_chat(&world, address, "delay-0+tokens-1000+chunk-delay-20", true).send().await.unwrap();
    drop(stream);
    timeout(SOON, world.upstream_counts(|counters| counters.cancelled == 2)).await.expect("the upstream works on");
}

#[tokio::test]
async fn an_http_2_client_that_gives_up_one_request_keeps_the_others() {
    let world = World::start().await;
    let address = listen(&world, ClientPatience::default());
    let client = http2();
    let slow = |modifiers, stream| http2_chat_by(&client, &world, address, modifiers, stream).send();
    let kept = tokio::spawn(slow("delay-1500", false));
    let given_up = [tokio::spawn(slow("delay-60000", false)), tokio::spawn(slow("delay-60000", true))];
    world.upstream_counts(|counters| counters.input_tokens == 15).await;
    given_up.iter().for_each(tokio::task::JoinHandle::abort);
    timeout(SOON, world.upstream_counts(|counters| counters.cancelled == 2)).await.expect("the upstream works on");
    assert_eq!(kept.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn an_http_2_client_that_reads_nothing_is_dropped() {
    let world = World::start().await;
    let address = listen(&world, patience(|patience| patience.stalled = SHORT));
    let unread = http2_chat(&world, address, "tokens-100000000+words-per-chunk-500", true).send().await.unwrap();
    timeout(SOON, world.upstream_counts(|counters| counters.cancelled == 1)).await.expect("the upstream works on");
    drop(unread);
}

#[tokio::test]
async fn an_http_2_connection_without_requests_is_closed() {
    let world = World::start().await;
    let address = listen(&world, patience(|patience| patience.idle = SHORT));
    let mut connection = Connection::to(address).await;
    let began = Instant::now();
    connection.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").await;
    is_cut_off(connection, began).await;
}
