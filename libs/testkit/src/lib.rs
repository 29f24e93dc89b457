#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "only tests and tools link this crate: a failed set-up should stop the test where it happens"
)]
//! The world that tests run in: real servers on free loopback ports, child processes, waiting for a state.
//!
//! Owns private PostgreSQL clusters ([`Postgres`]), NATS servers ([`NatsServer`]), guarded child processes
//! ([`ChildProcess`]), simulated identity providers ([`issuer`], [`openshift`]), a certified one ([`oidc_provider`]), and
//! the simulated upstream ([`SimulatedUpstream`], from its own crate). Everything started here ends with the process that
//! started it, even when that process is killed.
//!
//! Never linked into a service, never a fake of something inside our own walls.
//!
//! One more server: a module with `start`, `kill`, `stop` and `restart`, built on [`ChildProcess`] and a temporary folder.

pub mod issuer;
pub mod nats;
pub mod oidc_provider;
pub mod openshift;
pub mod ports;
pub mod postgres;
pub mod process;
mod programs;
pub mod token_review;
pub mod wait;
mod web_server;

pub use maas_simulated_upstream as upstream;
pub use maas_simulated_upstream::SimulatedUpstream;
pub use nats::NatsServer;
pub use ports::free_port;
pub use postgres::{Postgres, TestDatabase};
pub use process::{Belongings, ChildProcess, Signal};
pub use wait::eventually;
