//! Connections, migrations, database error classes and the transactional outbox, for Postgres and SQLite.
//!
//! This crate knows no table of any service (but the outbox, which each service creates with
//! [`outbox::create_table`]) and opens no transaction on its own: use cases take a connection, so that the caller
//! decides what commits together. To add a service's database, implement `MigratorTrait` there and call [`migrate`].
#![forbid(unsafe_code)]

pub mod connection;
pub mod error;
pub mod ids;
pub mod migration;
pub mod outbox;

pub use connection::{ConnectOptions, Database, DatabaseUrl};
pub use error::{StoreError, classify};
pub use migration::{check_schema, migrate};
