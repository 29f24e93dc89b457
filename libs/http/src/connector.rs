//! The guarded way to a connection: resolve once, check, connect, TLS.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Uri, uri::Scheme};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use crate::{error::ConnectError, guard::AddressGuard, resolve::resolve_checked, stream::UpstreamStream};

/// A connection on which nothing moves is probed after this time, since a NAT on the way may have forgotten it.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(45);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEP_ALIVE_PROBES: u32 = 3;
/// How long bytes of ours may stay unconfirmed; the kernel's own limit is a quarter of an hour.
const UNCONFIRMED_LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub struct GuardedConnector(Arc<Inner>);

struct Inner {
    guard: AddressGuard,
    tls: TlsConnector,
    connect_timeout: Duration,
}

impl GuardedConnector {
    pub(crate) fn new(guard: AddressGuard, tls: Arc<ClientConfig>, connect_timeout: Duration) -> Self {
        Self(Arc::new(Inner { guard, tls: TlsConnector::from(tls), connect_timeout }))
    }
}

impl Service<Uri> for GuardedConnector {
    type Response = UpstreamStream;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<UpstreamStream, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let inner = self.0.clone();
        Box::pin(async move { inner.connect(&uri).await })
    }
}

impl Inner {
    /// Resolution, connection and handshake share one time-out.
    async fn connect(&self, uri: &Uri) -> Result<UpstreamStream, ConnectError> {
        let host = uri.host().ok_or(ConnectError::Url)?;
        let is_tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(ConnectError::Url),
        };
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let connected = tokio::time::timeout(self.connect_timeout, async {
            let stream = self.connect_tcp(host, port).await?;
            if is_tls { self.start_tls(host, stream).await } else { Ok(UpstreamStream::Plain(TokioIo::new(stream))) }
        });
        connected.await.unwrap_or_else(|_| Err(ConnectError::Timeout { host: host.to_owned() }))
    }

    /// Tries the addresses in the resolver's order; each gets an equal share of the time.
    async fn connect_tcp(&self, host: &str, port: u16) -> Result<TcpStream, ConnectError> {
        let addresses = resolve_checked(&self.guard, host, port).await?;
        let share = self.connect_timeout / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        let mut last_error = io::Error::from(io::ErrorKind::NotFound);
        for address in addresses {
            match tokio::time::timeout(share, connect_address(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last_error = error,
                Err(_) => last_error = io::ErrorKind::TimedOut.into(),
            }
        }
        if last_error.kind() == io::ErrorKind::TimedOut {
            return Err(ConnectError::Timeout { host: host.to_owned() });
        }
        Err(ConnectError::Connect { host: host.to_owned(), source: last_error })
    }

    async fn start_tls(&self, host: &str, stream: TcpStream) -> Result<UpstreamStream, ConnectError> {
        let name = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned();
        let server_name = ServerName::try_from(name).map_err(|_| ConnectError::Url)?;
        match self.tls.connect(server_name, stream).await {
            Ok(stream) => Ok(UpstreamStream::Tls(Box::new(TokioIo::new(stream)))),
            Err(source) => Err(ConnectError::Tls { host: host.to_owned(), source }),
        }
    }
}

async fn connect_address(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // Streams are many small frames; none may wait for the acknowledgement of the one before.
    stream.set_nodelay(true)?;
    notice_dead_peer(&stream)?;
    Ok(stream)
}

/// An upstream that vanished without a word is an error within a minute or two, even while we only wait for it.
fn notice_dead_peer(stream: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    let probes = TcpKeepalive::new().with_time(KEEP_ALIVE_AFTER).with_interval(KEEP_ALIVE_INTERVAL);
    socket.set_tcp_keepalive(&probes.with_retries(KEEP_ALIVE_PROBES))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNCONFIRMED_LIMIT))?;
    Ok(())
}
