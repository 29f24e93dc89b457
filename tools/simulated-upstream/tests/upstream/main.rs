//! The simulated upstream over real connections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod streams;
mod support;
