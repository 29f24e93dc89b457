//! The service through its real app, on SQLite and on Postgres.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod files;
mod health;
mod internal;
mod lists;
mod migrations;
mod models;
mod openapi;
mod prices;
mod refusals;
mod routing;
mod upstreams;
mod world;
