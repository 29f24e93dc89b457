//! The simulated upstream over real connections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod azure;
mod chat;
mod endpoints;
mod messages;
mod quirks;
mod responses;
mod served;
mod streams;
mod support;
