//! What a real OGX has said, byte for byte, played back.

use std::path::PathBuf;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::super::interpreter::sdk_folder;

/// A file of `tests/sdk/ogx/recorded`.
pub fn recorded(kind: &str, name: &str) -> String {
    let file: PathBuf = sdk_folder().join("ogx/recorded").join(kind).join(format!("{name}.http"));
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Answers as an OGX did; gone when dropped.
pub struct RecordedOgx {
    pub url: String,
    server: JoinHandle<()>,
}

impl RecordedOgx {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                // One request per connection, as the recorded answers say; a client that leaves is no fault of ours.
                tokio::spawn(async move { answer(connection).await.unwrap_or_default() });
            }
        });
        Self { url, server }
    }
}

impl Drop for RecordedOgx {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(mut connection: TcpStream) -> std::io::Result<()> {
    let request = read_request(&mut connection).await?;
    connection.write_all(recorded("answers", fitting(&request)).as_bytes()).await?;
    connection.shutdown().await
}

/// The name of the answer that was recorded for such a request.
fn fitting(request: &str) -> &'static str {
    let streamed = request.contains(r#""stream":true"#);
    match () {
        () if request.starts_with("GET /v1/models ") => "models",
        () if request.contains(r#""model":"sim-chat""#) => "unknown-model",
        () if streamed && request.contains("fault-cut") => "stream-cut",
        () if streamed => "stream",
        () => "chat",
    }
}

/// Head and body, whose length is in the head.
async fn read_request(connection: &mut TcpStream) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if text.split_once("\r\n\r\n").is_some_and(|(head, body)| body.len() >= content_length(head)) {
            return Ok(text);
        }
        if connection.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn content_length(head: &str) -> usize {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next().and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0)
}
