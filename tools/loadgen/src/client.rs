//! One keep-alive connection.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::response::{BodyReader, Head, Malformed};

const BUFFER_BYTES: usize = 64 * 1024;

/// An answer that was read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Of the body.
    pub(crate) bytes: u64,
    pub(crate) frames: u64,
    /// From sending to the first byte of the body.
    pub(crate) first_byte: Duration,
}

pub(crate) struct Client {
    address: SocketAddr,
    /// `None` before the first request, after a failure, and when the server wants to close.
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, buffer: Vec::with_capacity(BUFFER_BYTES) }
    }

    /// Sends a prepared request and reads its answer. Dropped in between or failed, the connection is not used again.
    pub(crate) async fn call(&mut self, request: &[u8], count_frames: bool) -> io::Result<Answer> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        let started = Instant::now();
        stream.write_all(request).await?;
        let head = self.read_head(&mut stream).await?;
        let mut first_byte = None;
        let mut body = BodyReader::new(head.body);
        loop {
            let taken = body.take(&self.buffer, count_frames).map_err(malformed)?;
            self.buffer.drain(..taken);
            if body.bytes > 0 && first_byte.is_none() {
                first_byte = Some(started.elapsed());
            }
            if body.is_done() {
                break;
            }
            self.read_more(&mut stream).await?;
        }
        if head.keep_alive {
            self.stream = Some(stream);
        }
        let first_byte = first_byte.unwrap_or_else(|| started.elapsed());
        Ok(Answer { status: head.status, bytes: body.bytes, frames: body.frames, first_byte })
    }

    async fn connect(&mut self) -> io::Result<TcpStream> {
        self.buffer.clear();
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn read_head(&mut self, stream: &mut TcpStream) -> io::Result<Head> {
        loop {
            if let Some((head, length)) = Head::parse(&self.buffer).map_err(malformed)? {
                self.buffer.drain(..length);
                return Ok(head);
            }
            self.read_more(stream).await?;
        }
    }

    async fn read_more(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        match stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn malformed(_: Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP/1.1")
}
