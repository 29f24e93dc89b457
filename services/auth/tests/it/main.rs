//! The service through its real app, on SQLite and on Postgres.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod audit;
mod export_user_states;
mod migrations;
mod openapi;
mod outage;
mod sessions;
mod settings;
mod sign_in;
mod tokens;
mod user_state;
mod users;
mod world;
