//! The data plane's client: hyper-util's pool over the guarded connector, one per worker thread.

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};

use crate::{
    connector::GuardedConnector,
    error::{ClientError, UpstreamError},
    guard::AddressGuard,
    tls::client_config,
};

/// Requests are buffered before they are sent (they are scanned, and replayed at a retry).
pub type UpstreamBody = Full<Bytes>;

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
pub struct UpstreamClientFactory {
    connector: GuardedConnector,
    pool_idle_timeout: Duration,
    max_idle_per_host: usize,
}

impl UpstreamClientFactory {
    /// Reads the certificate authorities, once.
    pub fn new(options: &UpstreamOptions) -> Result<Self, ClientError> {
        let tls = client_config(&options.ca_files)?;
        Ok(Self {
            connector: GuardedConnector::new(options.guard.clone(), tls, options.connect_timeout),
            pool_idle_timeout: options.pool_idle_timeout,
            max_idle_per_host: options.max_idle_per_host,
        })
    }

    /// A client with a pool of its own. Call it once in each worker thread: its connections are driven by tasks of the
    /// runtime that first uses them, so a shared one would make every request cross threads.
    pub fn client(&self) -> UpstreamClient {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.pool_idle_timeout)
            .pool_max_idle_per_host(self.max_idle_per_host)
            // A pooled connection that the upstream closed before a byte of the request was written is replaced by a
            // new one. Once something was written there is no second try here: that is `UpstreamError::Cut`.
            .retry_canceled_requests(true)
            .build(self.connector.clone());
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
    pub async fn send(&self, request: Request<UpstreamBody>) -> Result<Response<Incoming>, UpstreamError> {
        self.client.request(request).await.map_err(UpstreamError::from_client)
    }
}
