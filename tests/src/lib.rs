#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "only tests link this crate: a failed set-up should stop the test where it happens, with the logs"
)]
//! The harness of the end-to-end tests: the real programs on free ports, and clients that speak to them.
//!
//! Owns how a standalone process ([`Standalone`]) and a set of five services with two proxies ([`Cluster`]) are started,
//! killed and started again, and the two clients ([`Api`] for the control plane, [`DataPlane`] for inference). Each world
//! has its own folder, ports, database and bus, so tests run side by side; its logs are printed when a test fails.
//!
//! Never links a service: whatever is checked here is what a user of the built programs sees. The programs are taken from
//! the target folder of this build (or from `MAAS_TEST_PROGRAMS`), so build them first: `cargo build`.
//!
//! A cluster's connections can be led through fault proxies ([`Links`]), and its clocks can be wrong ([`Clocks`]);
//! `tests/chaos/` does both.
//!
//! One more story: a module in `tests/e2e/`, on a world from here.

mod api;
mod clocks;
mod cluster;
mod data_plane;
mod faults;
mod http;
mod ledger;
mod program;
mod raw_http;
mod standalone;

pub use api::Api;
pub use clocks::{ClockOf, Clocks};
pub use cluster::{Cluster, ClusterOptions, ClusterProxy, PRICE_OF_INPUT, PRICE_OF_OUTPUT};
pub use data_plane::{ChatStream, DataPlane, StreamedAnswer, chat_body, simulated, streamed, streamed_with_usage};
pub use faults::{End, Fault, FaultProxy, Link, Links, Way};
pub use http::Answer;
pub use ledger::{UsageRow, rows_of, summary_of, wait_for_rows};
pub use program::{Finished, Ports, Program, ProgramSpec, free_ports, program_path, run_to_end};
pub use raw_http::{RawAnswer, exchange, oversized_body};
pub use standalone::{Bootstrap, Standalone, StandaloneOptions};

use std::time::Duration;

/// The bound of waits for what should take a moment: generous, since debug builds share two cores with other tests.
pub const PATIENCE: Duration = Duration::from_secs(20);
