//! Faults below HTTP: bytes that no HTTP server would write, written past the server onto its socket.

use std::any::Any;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use actix_web::body::to_bytes;
use actix_web::dev::Extensions;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::behaviour::{Behaviour, ConnectionFault};
use crate::errors;

const HUGE_HEADER_BYTES: usize = 80 * 1024;
const SLOW_PIECE_BYTES: usize = 8;
const USUAL_PAUSE: Duration = Duration::from_millis(20);
/// How far a wrong `Content-Length` is off.
const LENGTH_ERROR: usize = 10;

/// A second handle on a connection's socket. It lives as long as the connection: the server drops both together.
struct Socket(std::net::TcpStream);

/// To be called for each new connection.
pub(crate) fn keep_socket(connection: &dyn Any, data: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
    if let Ok(socket) = stream.as_fd().try_clone_to_owned() {
        data.insert(Socket(socket.into()));
    }
}

/// Sends `answer` as the fault says. What this gives back makes the server close the connection and write nothing more.
pub(crate) async fn deliver(
    request: &HttpRequest,
    fault: ConnectionFault,
    behaviour: &Behaviour,
    answer: HttpResponse,
) -> HttpResponse {
    if let Some(Socket(socket)) = request.conn_data::<Socket>()
        && let Ok(stream) = socket.try_clone().and_then(TcpStream::from_std)
    {
        // The client may be gone already: then there is nobody to disappoint.
        let _ = misbehave(stream, fault, behaviour, answer).await;
    }
    errors::disconnect()
}

async fn misbehave(
    mut stream: TcpStream,
    fault: ConnectionFault,
    behaviour: &Behaviour,
    answer: HttpResponse,
) -> io::Result<()> {
    let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let head = format!(
        "HTTP/1.1 {}\r\ncontent-type: {}\r\nconnection: close\r\n",
        answer.status(),
        content_type.unwrap_or("application/json")
    );
    let body = to_bytes(answer.into_body()).await.map_err(|_| io::ErrorKind::ConnectionAborted)?;
    let with_length = |length: usize| format!("{head}content-length: {length}\r\n\r\n");
    match fault {
        // With no time to linger, closing the socket sends a reset instead of an orderly end.
        ConnectionFault::Reset => return stream.set_zero_linger(),
        ConnectionFault::HalfHead => stream.write_all(&head.as_bytes()[..head.len() - 9]).await?,
        ConnectionFault::SlowHead => {
            write_slowly(&mut stream, with_length(body.len()).as_bytes(), behaviour).await?;
            stream.write_all(&body).await?;
        }
        ConnectionFault::HugeHead => {
            let huge = format!("{head}x-padding: {}\r\n", "x".repeat(HUGE_HEADER_BYTES));
            write(&mut stream, &format!("{huge}content-length: {}\r\n\r\n", body.len()), &body).await?;
        }
        ConnectionFault::LongLength => write(&mut stream, &with_length(body.len() + LENGTH_ERROR), &body).await?,
        ConnectionFault::ShortLength => {
            write(&mut stream, &with_length(body.len().saturating_sub(LENGTH_ERROR)), &body).await?;
        }
        ConnectionFault::NoLength => write(&mut stream, &format!("{head}\r\n"), &body).await?,
        ConnectionFault::EarlyHints => {
            let hints = "HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n";
            write(&mut stream, &format!("{hints}{}", with_length(body.len())), &body).await?;
        }
        ConnectionFault::Garbage => stream.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n").await?,
    }
    stream.shutdown().await
}

async fn write(stream: &mut TcpStream, head: &str, body: &Bytes) -> io::Result<()> {
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await
}

async fn write_slowly(stream: &mut TcpStream, bytes: &[u8], behaviour: &Behaviour) -> io::Result<()> {
    let pause = match behaviour.chunk_delay_ms {
        0 => USUAL_PAUSE,
        milliseconds => Duration::from_millis(milliseconds),
    };
    for piece in bytes.chunks(SLOW_PIECE_BYTES) {
        stream.write_all(piece).await?;
        sleep(pause).await;
    }
    Ok(())
}
