//! Rows of exports, a page at a time, each page where the one before ended.

mod connections;
pub mod entries;
pub mod groups;
pub mod ledger;

pub use connections::connections;
