//! What can go wrong on the way to an upstream, one variant per reason that a caller acts on.

use std::{error::Error, path::PathBuf, sync::Arc};

use crate::{body::RequestBodyError, guard::BlockedAddress};

/// A client cannot be built from its options.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("the CA file {} cannot be read as PEM certificates", path.display())]
    CaFile { path: PathBuf, source: Box<dyn Error + Send + Sync> },
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    #[error("the HTTP client cannot be built")]
    Build(#[from] reqwest::Error),
}

/// Why no connection was made; no byte of the request was sent.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the URL is not an http or https URL with a host")]
    Url,
    #[error(transparent)]
    Blocked(#[from] BlockedAddress),
    #[error("the name {host} cannot be resolved")]
    Resolve { host: String, source: std::io::Error },
    #[error("no connection to {host}")]
    Connect { host: String, source: std::io::Error },
    #[error("no TLS session with {host}")]
    Tls { host: String, source: std::io::Error },
    #[error("no connection to {host} in time")]
    Timeout { host: String },
}

/// How a call to an upstream failed. Texts name the host at most, never the path or the credentials.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The upstream's own settings are wrong, such as its CA file; other upstreams are not concerned.
    #[error("the connection settings of the upstream cannot be used")]
    Settings(#[source] Arc<ClientError>),
    #[error("the address of the upstream is blocked")]
    Blocked(#[source] BlockedAddress),
    #[error("the name of the upstream cannot be resolved")]
    Resolve(#[source] ConnectError),
    #[error("the upstream cannot be reached")]
    Connect(#[source] ConnectError),
    #[error("no TLS session with the upstream")]
    Tls(#[source] ConnectError),
    /// Only the time to connect is limited here; waiting for the answer is limited by the caller.
    #[error("the upstream could not be reached in time")]
    Timeout(#[source] ConnectError),
    /// The upstream may have worked on the request.
    #[error("the upstream closed the connection")]
    Cut(#[source] Box<dyn Error + Send + Sync>),
    /// What came back is not HTTP, or the request cannot be sent as it is.
    #[error("the upstream broke the protocol")]
    Protocol(#[source] Box<dyn Error + Send + Sync>),
    /// The body that was to be passed on failed; the upstream did nothing wrong.
    #[error("the request could not be passed on to the upstream")]
    RequestBody(#[source] RequestBodyError),
}

impl UpstreamError {
    /// No byte of the request was sent, so a second attempt cannot make the upstream work twice.
    pub fn is_before_request(&self) -> bool {
        match self {
            Self::Settings(_)
            | Self::Blocked(_)
            | Self::Resolve(_)
            | Self::Connect(_)
            | Self::Tls(_)
            | Self::Timeout(_) => true,
            Self::Cut(_) | Self::Protocol(_) | Self::RequestBody(_) => false,
        }
    }

    /// The classification of an error of a response's body.
    pub fn from_body(error: hyper::Error) -> Self {
        if let Some(fault) = request_body_fault(&error) {
            return Self::RequestBody(fault);
        }
        if is_cut(&error) { Self::Cut(error.into()) } else { Self::Protocol(error.into()) }
    }

    pub(crate) fn from_client(error: hyper_util::client::legacy::Error) -> Self {
        if error.is_connect() {
            return from_connect(error);
        }
        if let Some(fault) = request_body_fault(&error) {
            return Self::RequestBody(fault);
        }
        let hyper_error = chain(&error).find_map(|cause| cause.downcast_ref::<hyper::Error>());
        if hyper_error.is_none_or(is_cut) { Self::Cut(error.into()) } else { Self::Protocol(error.into()) }
    }
}

/// Rebuilds our own error out of the client's, which only lends its source.
fn from_connect(error: hyper_util::client::legacy::Error) -> UpstreamError {
    let Some(cause) = chain(&error).find_map(|cause| cause.downcast_ref::<ConnectError>()) else {
        // The connection was made, but hyper could not start to speak on it.
        return UpstreamError::Cut(error.into());
    };
    let copied = |source: &std::io::Error| std::io::Error::new(source.kind(), source.to_string());
    match cause {
        ConnectError::Blocked(blocked) => UpstreamError::Blocked(*blocked),
        ConnectError::Url => UpstreamError::Connect(ConnectError::Url),
        ConnectError::Timeout { host } => UpstreamError::Timeout(ConnectError::Timeout { host: host.clone() }),
        ConnectError::Resolve { host, source } => {
            UpstreamError::Resolve(ConnectError::Resolve { host: host.clone(), source: copied(source) })
        }
        ConnectError::Connect { host, source } => {
            UpstreamError::Connect(ConnectError::Connect { host: host.clone(), source: copied(source) })
        }
        ConnectError::Tls { host, source } => {
            UpstreamError::Tls(ConnectError::Tls { host: host.clone(), source: copied(source) })
        }
    }
}

fn request_body_fault(error: &(dyn Error + 'static)) -> Option<RequestBodyError> {
    chain(error).find_map(|cause| cause.downcast_ref::<RequestBodyError>()).copied()
}

fn is_cut(error: &hyper::Error) -> bool {
    let is_io = chain(error).any(|cause| cause.is::<std::io::Error>());
    !error.is_parse() && (error.is_incomplete_message() || error.is_closed() || error.is_canceled() || is_io)
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}
