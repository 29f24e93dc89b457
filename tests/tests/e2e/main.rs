//! End-to-end tests: the built programs, real Postgres and NATS, real client libraries. One module per story; each test
//! starts a world of its own, so they run side by side and in any order.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests stop where something is wrong, and print what they have measured"
)]

mod bad_input;
mod changes;
mod cluster_user;
mod exactly_once;
mod leaving;
mod libraries;
mod operations;
mod outage;
mod privacy;
mod revocation;
mod rotation;
mod standalone;
mod usage;
