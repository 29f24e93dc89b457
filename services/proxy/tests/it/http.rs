//! A bare HTTP client: tests see the bytes as they come, send what no library would, and leave when they like.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

pub const PATIENCE: Duration = Duration::from_secs(20);

/// A request to be sent, on a connection of its own.
#[derive(Clone)]
pub struct Request {
    address: SocketAddr,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    keep_alive: bool,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// In lower case.
    pub head: String,
    pub body: Vec<u8>,
    /// False when the connection ended before the body did.
    pub whole: bool,
}

/// An open connection on which the answer is still coming.
pub struct Connection {
    stream: TcpStream,
    pub seen: Vec<u8>,
}

impl Request {
    pub fn new(address: SocketAddr, method: &str, path: &str) -> Self {
        let (method, path) = (method.to_owned(), path.to_owned());
        Self { address, method, path, headers: Vec::new(), body: Vec::new(), keep_alive: false }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn key(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    pub fn id(self, request_id: &str) -> Self {
        self.header("x-request-id", request_id)
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn keep_alive(mut self) -> Self {
        self.keep_alive = true;
        self
    }

    /// Sends and reads to the end.
    pub async fn send(self) -> Answer {
        self.open().await.rest().await
    }

    /// Sends and leaves the reading to the caller.
    pub async fn open(self) -> Connection {
        let mut connection = Connection::to(self.address).await;
        connection.write(&self.bytes()).await;
        connection
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: test\r\n", self.method, self.path);
        if !self.keep_alive {
            head.push_str("connection: close\r\n");
        }
        let says = |name: &str| self.headers.iter().any(|(known, _)| known == name);
        if self.method == "POST" && !says("content-type") {
            head.push_str("content-type: application/json\r\n");
        }
        if !self.body.is_empty() && !says("content-length") && !says("transfer-encoding") {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }
}

impl Connection {
    pub async fn to(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), seen: Vec::new() }
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        // The server may have answered and closed before it took everything.
        let _ = timeout(PATIENCE, self.stream.write_all(bytes)).await.expect("the server takes nothing");
    }

    /// Reads until `text` was seen; panics if the connection ends before.
    pub async fn until(&mut self, text: &str) {
        let reading = async {
            while !contains(&self.seen, text) {
                let read = self.stream.read_buf(&mut self.seen).await.unwrap_or(0);
                assert!(read > 0, "the connection ended without {text:?}: {}", String::from_utf8_lossy(&self.seen));
            }
        };
        let in_time = timeout(PATIENCE, reading).await.is_ok();
        assert!(in_time, "{text:?} did not come: {}", String::from_utf8_lossy(&self.seen));
    }

    /// Reads until so many bytes were seen; panics if the connection ends before.
    pub async fn until_bytes(&mut self, count: usize) {
        let reading = async {
            while self.seen.len() < count {
                assert!(self.stream.read_buf(&mut self.seen).await.unwrap_or(0) > 0, "the connection ended");
            }
        };
        assert!(timeout(PATIENCE, reading).await.is_ok(), "{count} bytes did not come");
    }

    /// Reads to the end of the connection.
    pub async fn rest(mut self) -> Answer {
        let reading = async {
            // A reset is an end too.
            while self.stream.read_buf(&mut self.seen).await.unwrap_or(0) > 0 {}
        };
        let in_time = timeout(PATIENCE, reading).await.is_ok();
        assert!(in_time, "the answer has no end: {}", String::from_utf8_lossy(&self.seen));
        Answer::parse(&self.seen)
    }

    /// Reads one answer that has a length, and forgets it: the connection can be used again.
    pub async fn one_answer(&mut self) -> Answer {
        self.until("\r\n\r\n").await;
        let head_end = find(&self.seen, "\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8_lossy(&self.seen[..head_end]).to_ascii_lowercase();
        let length: usize = header_in(&head, "content-length").unwrap().parse().unwrap();
        while self.seen.len() < head_end + length {
            assert!(self.stream.read_buf(&mut self.seen).await.unwrap() > 0);
        }
        Answer::parse(&self.seen.drain(..head_end + length).collect::<Vec<_>>())
    }
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let Some(head_end) = find(bytes, "\r\n\r\n") else {
            return Self { status: 0, head: String::new(), body: bytes.to_vec(), whole: false };
        };
        let head = String::from_utf8_lossy(&bytes[..head_end + 2]).to_ascii_lowercase();
        let body = &bytes[head_end + 4..];
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let (body, whole) = match header_in(&head, "content-length").map(|length| length.parse::<usize>().unwrap()) {
            Some(length) => (body.to_vec(), body.len() == length),
            None if header_in(&head, "transfer-encoding") == Some("chunked") => unchunk(body),
            None => (body.to_vec(), true),
        };
        Self { status, head, body, whole }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        header_in(&self.head, name)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The frames of a stream, each without its blank line.
    pub fn frames(&self) -> Vec<String> {
        self.text().split_terminator("\n\n").map(str::to_owned).collect()
    }

    /// The data of a stream that ends with exactly one `[DONE]`, which is left out. Checks that every frame is one that
    /// all client libraries understand.
    #[track_caller]
    pub fn chunks(&self) -> Vec<Value> {
        assert!(self.whole, "{self:?}");
        let frames = self.frames();
        let data = frames.iter().filter(|frame| *frame != ": ping");
        let mut data: Vec<&str> = data.map(|frame| frame.strip_prefix("data: ").unwrap()).collect();
        assert_eq!(data.pop(), Some("[DONE]"), "{}", self.text());
        assert!(!self.text().contains('\r'));
        data.into_iter().map(|data| serde_json::from_str(data).unwrap_or_else(|_| panic!("{data}"))).collect()
    }

    /// The events of a stream: names and data. Checks that each name is also the data's type, and that pings stand apart.
    #[track_caller]
    pub fn events(&self) -> Vec<(String, Value)> {
        assert!(self.whole, "{self:?}");
        let frames = self.frames();
        let said = frames.iter().filter(|frame| *frame != ": ping");
        said.map(|frame| {
            let (name, data) = frame.split_once("\ndata: ").unwrap_or_else(|| panic!("no event: {frame}"));
            let name = name.strip_prefix("event: ").unwrap_or_else(|| panic!("no event: {frame}"));
            let data: Value = serde_json::from_str(data).unwrap_or_else(|_| panic!("no JSON: {frame}"));
            assert_eq!(data["type"], name, "{frame}");
            (name.to_owned(), data)
        })
        .collect()
    }

    /// The data of all events of that name.
    #[track_caller]
    pub fn events_named(&self, name: &str) -> Vec<Value> {
        self.events().into_iter().filter(|(known, _)| known == name).map(|(_, data)| data).collect()
    }

    /// Checks Anthropic's shape and gives the type.
    #[track_caller]
    pub fn messages_error(&self) -> (u16, String) {
        (self.status, checked_messages_error(&self.json()))
    }

    /// The words of a stream.
    pub fn words(&self) -> usize {
        let chunks = self.chunks();
        let text = |chunk: &Value| {
            let choice = &chunk["choices"][0];
            choice["delta"]["content"].as_str().or(choice["text"].as_str()).unwrap_or_default().to_owned()
        };
        chunks.iter().map(text).collect::<String>().split_whitespace().count()
    }

    /// Checks OpenAI's shape and gives the code.
    #[track_caller]
    pub fn error(&self) -> (u16, String) {
        (self.status, checked_error(&self.json()))
    }
}

/// The code of an error object of the documented shape.
#[track_caller]
pub fn checked_error(body: &Value) -> String {
    let error = &body["error"];
    for member in ["message", "type", "code", "request_id", "doc_url"] {
        assert!(error[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {body}");
    }
    assert!(error["param"].is_null() || error["param"].is_string(), "{body}");
    error["code"].as_str().unwrap().to_owned()
}

/// The type of an error object of Anthropic's shape.
#[track_caller]
pub fn checked_messages_error(body: &Value) -> String {
    assert_eq!(body["type"], "error", "{body}");
    assert!(body["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    assert!(body["request_id"].is_string(), "{body}");
    body["error"]["type"].as_str().unwrap().to_owned()
}

fn header_in<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

fn find(bytes: &[u8], text: &str) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text.as_bytes())
}

fn contains(bytes: &[u8], text: &str) -> bool {
    find(bytes, text).is_some()
}

fn unchunk(mut coded: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(line_end) = find(coded, "\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&coded[..line_end]).unwrap(), 16).unwrap();
        if size == 0 {
            return (body, true);
        }
        let data = &coded[line_end + 2..];
        if data.len() < size + 2 {
            break;
        }
        body.extend_from_slice(&data[..size]);
        coded = &data[size + 2..];
    }
    (body, false)
}
