//! Rules of the questions about usage: what can be counted, into which stretches of time, from which table.

pub mod buckets;
pub mod figures;
pub mod interval;
pub mod metric;
pub mod plan;
pub mod question;
