//! Behaviour of the data plane: a real proxy in this process, over real connections, between a simulated upstream and a
//! small consumer of usage.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod azure;
mod bad_input;
mod client_leaves;
mod crash;
mod edges;
mod fallbacks;
mod fixtures;
mod forms;
mod headers;
mod http;
mod ingest;
mod instances;
mod journal;
mod key_bounds;
mod key_uses;
mod keys;
mod malformed;
mod messages;
mod messages_failing;
mod messages_upstream;
mod mirrors;
mod models;
mod operations;
mod owners;
mod passing;
mod raw_answers;
mod responses;
mod revocations;
mod routing;
mod shutdown;
mod slow_clients;
mod stand_ins;
mod state_sources;
mod stored_responses;
mod streams;
mod token_issuer;
mod tokens;
mod uploads;
mod uploads_broken;
mod upstream_errors;
mod usage;
mod world;
