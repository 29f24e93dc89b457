//! The service through its real app, on SQLite and on Postgres.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod audit;
mod audit_chain;
mod audit_export;
mod browser;
mod corp;
mod export_user_states;
mod federated;
mod group_mappings;
mod log;
mod lost_rights;
mod migrations;
mod oidc;
mod oidc_certified;
mod oidc_lies;
mod openapi;
mod openshift;
mod organisations;
mod outage;
mod refusals;
mod service_accounts;
mod sessions;
mod settings;
mod sign_in;
mod signing_keys;
mod teams;
mod token_exchange;
mod tokens;
mod user_state;
mod users;
mod world;
