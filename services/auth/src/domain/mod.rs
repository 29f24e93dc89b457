//! Pure rules and types of identity: knows neither HTTP nor the database.

pub mod audit;
pub mod audit_chain;
pub mod claims;
pub mod expiration;
pub mod federated;
pub mod group_mapping;
pub mod key_ring;
pub mod key_sealing;
pub mod name;
pub mod openshift;
pub mod password;
pub mod provider;
pub mod random;
pub mod return_url;
pub mod revoked_token;
pub mod session;
pub mod sign_in_attempt;
pub mod signing;
pub mod team;
pub mod user;
pub mod user_facts;
pub mod user_status;
