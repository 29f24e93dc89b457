//! A client's socket from its acceptance until it is known which HTTP it speaks.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use actix_http::{Protocol, error::DispatchError};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::{ClientPatience, stream::ClientStream};

/// Of an answer, in the kernel. It takes twice this with its own book-keeping.
const SEND_BUFFER: usize = 128 * 1024;
/// A connection on which nothing moves is probed after this time, so that a vanished client is noticed.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(45);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEP_ALIVE_PROBES: u32 = 3;

pub(super) type Accepted = (ClientStream, Protocol, Option<SocketAddr>);

/// A connection that says nothing is given up when its time is up, or when the server stops.
pub(super) async fn accept(
    socket: TcpStream,
    patience: ClientPatience,
    stopping: impl Future<Output = ()>,
) -> Result<Accepted, DispatchError> {
    set_options(&socket, patience)?;
    let protocol = tokio::select! {
        protocol = tokio::time::timeout(patience.head, protocol_of(&socket)) => protocol,
        () = stopping => return Err(DispatchError::DisconnectTimeout),
    };
    let protocol = protocol.map_err(|_| DispatchError::SlowRequestTimeout)??;
    let peer = socket.peer_addr().ok();
    Ok((ClientStream::new(socket, protocol, patience), protocol, peer))
}

fn set_options(socket: &TcpStream, patience: ClientPatience) -> io::Result<()> {
    // A stream's last chunk would otherwise wait for the client's delayed acknowledgement (measured: 43 ms added to a
    // stream that took 1).
    socket.set_nodelay(true)?;
    let socket = SockRef::from(socket);
    socket.set_send_buffer_size(SEND_BUFFER)?;
    let probes = TcpKeepalive::new().with_time(KEEP_ALIVE_AFTER).with_interval(KEEP_ALIVE_INTERVAL);
    socket.set_tcp_keepalive(&probes.with_retries(KEEP_ALIVE_PROBES))?;
    // For a client that acknowledges nothing. Not every kernel counts one that acknowledges and does not read; that is
    // the stream's affair.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(patience.stalled))?;
    Ok(())
}

/// Told by the first bytes, which stay to be read. The start of HTTP/2 comes in one piece or is not taken for it.
async fn protocol_of(socket: &TcpStream) -> io::Result<Protocol> {
    const PREFACE: &[u8; 16] = b"PRI * HTTP/2.0\r\n";
    let mut seen = [0; PREFACE.len()];
    socket.peek(&mut seen).await?;
    Ok(if seen == *PREFACE { Protocol::Http2 } else { Protocol::Http1 })
}
