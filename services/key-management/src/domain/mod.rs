//! Rules of keys. Knows neither HTTP nor a database; time is an argument.

pub mod expiry;
pub mod key;
pub mod labels;
pub mod owner;
pub mod plan;
pub mod restrictions;
pub mod secret;
#[cfg(test)]
mod state_machine_tests;
pub mod status;
pub mod subscriber;
pub mod subscription;
