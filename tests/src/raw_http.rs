//! Requests that no well-made client sends, over a plain connection.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const READ_TIMEOUT: Duration = Duration::from_secs(20);
const CHUNK_BYTES: usize = 64 * 1024;

/// What came back on a plain connection.
#[derive(Debug)]
pub struct RawAnswer {
    pub status: u16,
    pub body: String,
}

/// Posts a JSON body of `total_bytes`. With `declared` the length is in the headers and nothing more is sent, as a client
/// that waits for a word from the server would do; otherwise the body is sent in chunks for as long as the server reads.
pub async fn oversized_body(
    url: &str,
    path: &str,
    token: &str,
    total_bytes: usize,
    declared: bool,
) -> anyhow::Result<RawAnswer> {
    let address: SocketAddr = url.trim_start_matches("http://").parse().context("a URL with an address")?;
    let (mut reader, mut writer) = TcpStream::connect(address).await?.into_split();
    let framing =
        if declared { format!("content-length: {total_bytes}") } else { "transfer-encoding: chunked".to_owned() };
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\n{framing}\r\n\r\n"
    );
    writer.write_all(head.as_bytes()).await?;
    let send = async move {
        if !declared {
            // The server may stop reading, and close, at any time: that is what is being tested.
            let _ = send_chunks(&mut writer, total_bytes).await;
        }
        writer
    };
    let read = timeout(READ_TIMEOUT, read_answer(&mut reader));
    let (writer, answer) = tokio::join!(send, read);
    drop(writer);
    answer.context("no answer in time")?
}

/// Sends these bytes on a connection of their own and reads the answer; one without a declared length is read up to the end
/// of the connection, for which the request should ask.
pub async fn exchange(url: &str, request: &[u8]) -> anyhow::Result<RawAnswer> {
    let address: SocketAddr = url.trim_start_matches("http://").parse().context("a URL with an address")?;
    let mut connection = TcpStream::connect(address).await?;
    connection.write_all(request).await?;
    timeout(READ_TIMEOUT, read_answer(&mut connection)).await.context("no answer in time")?
}

async fn send_chunks(writer: &mut (impl AsyncWriteExt + Unpin), total_bytes: usize) -> std::io::Result<()> {
    let chunk = format!("{CHUNK_BYTES:x}\r\n{}\r\n", " ".repeat(CHUNK_BYTES));
    for _ in 0..total_bytes.div_ceil(CHUNK_BYTES) {
        writer.write_all(chunk.as_bytes()).await?;
    }
    writer.write_all(b"0\r\n\r\n").await
}

/// Until the body that the head declares has come; the server need not close.
async fn read_answer(reader: &mut (impl AsyncReadExt + Unpin)) -> anyhow::Result<RawAnswer> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 8 * 1024];
    loop {
        let count = reader.read(&mut buffer).await.context("the connection broke before an answer")?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some(answer) = whole_answer(&text, count == 0) {
            return Ok(answer);
        }
        anyhow::ensure!(count > 0, "the connection ended before a whole answer: {text}");
    }
}

fn whole_answer(text: &str, ended: bool) -> Option<RawAnswer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let complete = length.is_some_and(|length| body.len() >= length);
    (complete || ended).then(|| RawAnswer { status, body: body.to_owned() })
}
