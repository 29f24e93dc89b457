//! The service `auth`: people, how they sign in, their sessions and access tokens, their teams and what their groups give
//! them, and the audit book of the platform.
//!
//! It owns who somebody is and what role they have. It never decides what an operation needs (that stands in the
//! operation's signature, `maas_web::permission`), never knows API keys (key-management does), and never stores a
//! password, a session's secret or a token: only what they can be checked with.
//!
//! - One more operation: a file in `http/` named after it, a line in `app::routes`, the use case in `service/`.
//! - One more way to sign in: a provider in `domain::provider`, with its own issuer. People are (issuer, subject).
//! - One more change of people: the rule in `domain::user` or `domain::user_facts`, written by `service::people`, ended by
//!   `Core::commit_effects`, which tells everybody who has to know.
//! - One more event of ours in the audit book: an entry from `service::initiator::Initiator` in the use case's commit.
#![forbid(unsafe_code)]

mod app;
mod auth;
mod domain;
mod events;
mod http;
mod metrics;
mod migration;
mod service;
pub mod settings;
mod store;

use maas_store::{Database, StoreError};

pub use auth::{Auth, ControlTokenError};
pub use domain::federated::BootstrapAdmin;
pub use domain::signing::{SigningKeyError, generate_signing_key};
pub use migration::Migrator;
pub use service::first_admin::{FirstAdmin, FirstAdminError};
pub use settings::AuthSettings;

/// The Postgres schema, and the stem of the SQLite file.
pub const SCHEMA: &str = "auth";

/// Brings the schema up to date.
pub async fn migrate(database: &Database) -> Result<(), StoreError> {
    maas_store::migrate::<Migrator>(database, SCHEMA).await
}

/// Fails when migrations are pending; changes nothing.
pub async fn check_schema(database: &Database) -> Result<(), StoreError> {
    maas_store::check_schema::<Migrator>(database).await
}

/// The document of the assembled app.
pub fn openapi() -> utoipa::openapi::OpenApi {
    maas_web::openapi::document("auth", app::routes)
}
