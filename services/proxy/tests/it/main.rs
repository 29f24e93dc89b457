//! Behaviour of the data plane: a real proxy in this process, over real connections, between a simulated upstream and a
//! small consumer of usage.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_input;
mod client_leaves;
mod crash;
mod fixtures;
mod http;
mod ingest;
mod keys;
mod models;
mod passing;
mod shutdown;
mod state_sources;
mod streams;
mod upstream_errors;
mod usage;
mod world;
