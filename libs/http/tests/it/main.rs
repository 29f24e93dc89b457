//! Outgoing HTTP against real sockets: honest servers, servers that lie, and addresses that nobody may call.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bodies;
mod clients;
mod lies;
mod profiles;
mod ssrf;
mod world;
