//! Pure rules and types of identity: knows neither HTTP nor the database.

pub mod attempts;
pub mod audit;
pub mod expiration;
pub mod password;
pub mod provider;
pub mod random;
pub mod session;
pub mod signing;
pub mod user;
