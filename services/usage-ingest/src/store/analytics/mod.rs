//! Sums of any usage, from whichever tables the plan of a question names; one statement for each answer.

pub mod page;
mod parts;
mod rank;
mod row;
pub mod series;
pub mod sums;
pub mod values;

pub(super) use parts::{allowed, bound};
pub(super) use row::{figures, values};
pub(super) use sums::sums;
