#![forbid(unsafe_code)]
//! A small load generator for benchmarks on one machine.
//!
//! Owns keep-alive HTTP/1.1 connections that send one prepared request again and again, in a closed loop or at a fixed
//! rate, and the measurement: latencies, stream frames, and CPU time and memory of the servers under load. Its own cost
//! per request is a write, a read and a scan for the end of the answer, so that little of the machine goes to it.
//!
//! Never calls anything but loopback addresses. Never a general HTTP client: no redirects, no TLS, no compression.
//!
//! One more number in the report: a field in [`Report`], gathered in `Samples`.

mod client;
mod load;
mod processes;
mod report;
mod response;
mod target;

pub use load::{Limit, Load, run};
pub use processes::{ProcessUse, measure_processes};
pub use report::{ProcessReport, Report, StreamReport};
pub use target::{InvalidTarget, Target};
