//! Rules of keys. Knows neither HTTP nor a database; time is an argument.

pub mod actor;
pub mod expiry;
pub mod key;
pub mod labels;
pub mod status;
