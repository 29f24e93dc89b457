//! The ledger's behaviour on SQLite and on Postgres, through the bus and through HTTP.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod exactly_once;
mod http;
mod migrations;
mod nats;
mod producer;
mod properties;
mod quarantine;
mod sequences;
mod world;
