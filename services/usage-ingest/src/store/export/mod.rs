//! Rows of exports, a page at a time, each page where the one before ended: nothing is held in between, neither rows nor
//! a transaction.

pub mod entries;
pub mod groups;
pub mod ledger;
