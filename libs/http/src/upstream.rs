//! The data plane's client: hyper-util's pool over the guarded connector, one per worker thread.

use std::{path::PathBuf, sync::Arc, time::Duration};

use http::{Request, Response, Version, header};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use rustls::ClientConfig;

use crate::{
    body::UpstreamBody,
    connector::GuardedConnector,
    error::{ClientError, UpstreamError},
    guard::AddressGuard,
    profile::{ConnectProfile, TlsProfiles},
    tls::load_roots,
};

/// What one connection reads at once, in bytes: it holds one such piece, and one that nobody has taken yet. A head must
/// fit too; as the piece that shows that it does not may be a whole one, it is refused at twice this for certain.
const READ_AHEAD: usize = 32 * 1024;

#[derive(Debug, Clone)]
pub struct UpstreamOptions {
    pub guard: AddressGuard,
    /// Certificate authorities besides the machine's, PEM.
    pub ca_files: Vec<PathBuf>,
    /// For name resolution, connection and TLS handshake together.
    pub connect_timeout: Duration,
    /// Shorter than the upstreams' own, so that we close first.
    pub pool_idle_timeout: Duration,
    pub max_idle_per_host: usize,
}

impl Default for UpstreamOptions {
    fn default() -> Self {
        Self {
            guard: AddressGuard::default(),
            ca_files: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            pool_idle_timeout: Duration::from_secs(30),
            max_idle_per_host: 256,
        }
    }
}

/// What all workers share: the guard and the TLS settings. Connections are not shared.
#[derive(Clone)]
pub struct UpstreamClientFactory(Arc<Common>);

struct Common {
    guard: AddressGuard,
    tls: TlsProfiles,
    connect_timeout: Duration,
    pool_idle_timeout: Duration,
    max_idle_per_host: usize,
}

impl UpstreamClientFactory {
    /// Reads the certificate authorities, once.
    pub fn new(options: &UpstreamOptions) -> Result<Self, ClientError> {
        let UpstreamOptions { guard, ca_files, connect_timeout, pool_idle_timeout, max_idle_per_host } =
            options.clone();
        Ok(Self(Arc::new(Common {
            tls: TlsProfiles::new(load_roots(&ca_files)?)?,
            guard,
            connect_timeout,
            pool_idle_timeout,
            max_idle_per_host,
        })))
    }

    /// A client with a pool of its own, for upstreams without a profile. Call it once in each worker thread: its
    /// connections are driven by tasks of the runtime that first uses them, so a shared one would make every request
    /// cross threads.
    pub fn client(&self) -> UpstreamClient {
        self.build(self.0.tls.default_config(), self.0.connect_timeout)
    }

    /// The same for a profile.
    pub(crate) fn client_for(&self, profile: &ConnectProfile) -> Result<UpstreamClient, UpstreamError> {
        let tls = self.0.tls.get(profile.ca_file.as_deref()).map_err(UpstreamError::Settings)?;
        Ok(self.build(tls, profile.connect_timeout.unwrap_or(self.0.connect_timeout)))
    }

    fn build(&self, tls: Arc<ClientConfig>, connect_timeout: Duration) -> UpstreamClient {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.0.pool_idle_timeout)
            .pool_max_idle_per_host(self.0.max_idle_per_host)
            .http1_max_buf_size(READ_AHEAD)
            // A pooled connection that the upstream closed before a byte of the request was written is replaced by a
            // new one. Once something was written there is no second try here: that is `UpstreamError::Cut`.
            .retry_canceled_requests(true)
            .build(GuardedConnector::new(self.0.guard.clone(), tls, connect_timeout));
        UpstreamClient { client }
    }
}

/// Clones share the pool; keep them on one thread.
#[derive(Clone)]
pub struct UpstreamClient {
    client: Client<GuardedConnector, UpstreamBody>,
}

impl UpstreamClient {
    /// Sends a request with an absolute URI; ready when the answer's headers are there. Redirects are answers like any
    /// other. Time-outs beyond the connection are the caller's. Dropping the future or the answer's body closes the
    /// connection, so that the upstream notices.
    pub async fn send<B: Into<UpstreamBody>>(&self, request: Request<B>) -> Result<Response<Incoming>, UpstreamError> {
        let response = self.client.request(request.map(Into::into)).await.map_err(UpstreamError::from_client)?;
        check_head(&response)?;
        Ok(response)
    }
}

/// What hyper lets through: an answer with two framings, of which someone before or behind us may believe the other one,
/// and a change to another protocol, which nobody asked for.
fn check_head(response: &Response<Incoming>) -> Result<(), UpstreamError> {
    let has = |name| response.headers().contains_key(name);
    if has(header::TRANSFER_ENCODING) && (has(header::CONTENT_LENGTH) || response.version() < Version::HTTP_11) {
        return Err(UpstreamError::Protocol("the answer has two framings".into()));
    }
    if response.status().is_informational() {
        return Err(UpstreamError::Protocol("the answer is not a final one".into()));
    }
    Ok(())
}
