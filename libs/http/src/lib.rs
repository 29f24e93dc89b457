//! Outgoing HTTP: the data plane's client (hyper, one per worker thread) and the control plane's (reqwest).
//!
//! Both resolve names once, check every address with the [`AddressGuard`] and connect to a checked address; neither
//! follows redirects, uses proxies from the environment, or adds credentials. What is sent is the callers' business.
//!
//! To guard against one more address, add it to the lists in `guard/ranges.rs`.
#![forbid(unsafe_code)]

mod body;
mod connector;
mod control;
mod error;
pub mod guard;
mod profile;
mod resolve;
mod stream;
mod tls;
mod upstream;

pub use body::{BodySender, BodyUnwanted, RequestBodyError, StreamedBody, UpstreamBody};
pub use control::{ControlOptions, check_url, control_client};
pub use error::{ClientError, ConnectError, UpstreamError};
pub use guard::{AddressGuard, BlockReason, BlockedAddress};
pub use profile::{ConnectProfile, UpstreamClients};
pub use upstream::{UpstreamClient, UpstreamClientFactory, UpstreamOptions};
