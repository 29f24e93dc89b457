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
    pub bytes: Vec<u8>,
    /// The same as text.
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
    send(upstream, method, path, "content-type: application/json\r\n", body.as_bytes()).await
}

/// `headers` are whole lines.
pub async fn send(upstream: &SimulatedUpstream, method: &str, path: &str, headers: &str, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(upstream.address()).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer test-key\r\nconnection: close\r\n\
         {headers}content-length: {length}\r\n\r\n"
    );
    stream.write_all(&[request.as_bytes(), body].concat()).await.unwrap();
    stream
}

pub async fn call(upstream: &SimulatedUpstream, method: &str, path: &str, body: &str) -> Answer {
    read(connect_and_send(upstream, method, path, body).await).await
}

/// With more headers, given as whole lines.
pub async fn call_with(upstream: &SimulatedUpstream, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let headers = format!("content-type: application/json\r\n{headers}");
    read(send(upstream, method, path, &headers, body.as_bytes()).await).await
}

pub async fn read(mut stream: TcpStream) -> Answer {
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

/// A form with its `content-type` line. The file comes last, as the SDKs send it.
pub fn form(fields: &[(&str, &str)], (name, content): (&str, &[u8])) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part = format!("--edge\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    let head = format!(
        "--edge\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"a.bin\"\r\n\
         content-type: application/octet-stream\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n--edge--\r\n");
    ("content-type: multipart/form-data; boundary=edge\r\n".to_owned(), body)
}

fn parse(bytes: &[u8]) -> Answer {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Answer { status: 0, head: String::new(), bytes: Vec::new(), body: String::new(), whole: false };
    };
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let head = head.to_ascii_lowercase();
    let rest = &bytes[end + 4..];
    let (bytes, whole) =
        if head.contains("transfer-encoding: chunked") { dechunk(rest) } else { (rest.to_owned(), true) };
    let body = String::from_utf8_lossy(&bytes).into_owned();
    Answer { status, head, bytes, body, whole }
}

fn dechunk(mut coded: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = coded.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&coded[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        let chunk = &coded[end + 2..];
        body.extend_from_slice(&chunk[..size]);
        coded = &chunk[size + 2..];
    }
    (body, false)
}
