//! A bare HTTP client: tests must see the bytes as they come, and leave when they like.

use std::time::Duration;

use maas_simulated_upstream::{Counters, SimulatedUpstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(10);

pub struct Answer {
    pub status: u16,
    pub head: String,
    /// Without the transfer coding.
    pub body: String,
    /// False when the connection ended before the body did.
    pub whole: bool,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The `data:` lines of a stream.
    pub fn data(&self) -> Vec<&str> {
        self.body.lines().filter_map(|line| line.strip_prefix("data: ")).collect()
    }

    /// All of them but `[DONE]`.
    pub fn chunks(&self) -> Vec<serde_json::Value> {
        let data = self.data().into_iter().filter(|data| *data != "[DONE]");
        data.map(|data| serde_json::from_str(data).unwrap()).collect()
    }
}

pub async fn connect_and_send(upstream: &SimulatedUpstream, method: &str, path: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(upstream.address()).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer test-key\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

pub async fn call(upstream: &SimulatedUpstream, method: &str, path: &str, body: &str) -> Answer {
    let mut stream = connect_and_send(upstream, method, path, body).await;
    let mut bytes = Vec::new();
    // A reset is one of the ends that are looked for.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap();
    parse(&bytes)
}

pub async fn chat(upstream: &SimulatedUpstream, model: &str, more: &str) -> Answer {
    call(upstream, "POST", "/v1/chat/completions", &chat_body(model, more)).await
}

/// Five words of input.
pub fn chat_body(model: &str, more: &str) -> String {
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"one two three four five"}}]{more}}}"#)
}

pub async fn counters_become(upstream: &SimulatedUpstream, wanted: impl Fn(&Counters) -> bool) -> Counters {
    let waiting = async {
        loop {
            let counters = upstream.counters();
            if wanted(&counters) {
                return counters;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("counted: {:?}", upstream.counters()))
}

fn parse(bytes: &[u8]) -> Answer {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return Answer { status: 0, head: String::new(), body: String::new(), whole: false };
    };
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let head = head.to_ascii_lowercase();
    let (body, whole) =
        if head.contains("transfer-encoding: chunked") { dechunk(body) } else { (body.to_owned(), true) };
    Answer { status, head, body, whole }
}

fn dechunk(mut coded: &str) -> (String, bool) {
    let mut body = String::new();
    while let Some((size, rest)) = coded.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        body.push_str(&rest[..size]);
        coded = &rest[size + 2..];
    }
    (body, false)
}
