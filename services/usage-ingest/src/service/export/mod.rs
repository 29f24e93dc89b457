//! Exports: all rows of an answer, however many, with the memory of one page.
//!
//! Guarantee: each row comes once, and the rows add up to what a summary of the same question says, as long as nothing
//! is booked meanwhile. Pages are read one after the other, each in a statement of its own, so that a client who takes
//! an hour holds no connection and no old rows. What is booked meanwhile for a time that was passed is not in the file.
//!
//! A failure ends the rows with an error, and the file must then not look complete.

mod chargeback;
mod entries;
mod groups;
mod slots;

pub use chargeback::{Chargeback, Month, NotAMonth, ReportFormat};
pub use entries::Entries;
pub use groups::{GroupedInput, Groups};
pub use slots::{ExportSlots, NoSlot, Slot};

use maas_store::StoreError;

use crate::domain::{analytics::figures::Figures, csv::Cell};

/// Rows that are read at once.
const PAGE: usize = 1_000;

/// One row, and what it adds to the totals.
#[derive(Debug, Clone)]
pub struct ExportRow {
    pub cells: Vec<Cell>,
    pub figures: Figures,
}

/// Where the rows of a file come from.
#[derive(Debug)]
pub enum Rows {
    Entries(Entries),
    Groups(Groups),
    Chargeback(Chargeback),
}

impl Rows {
    /// The names of the cells, in their order.
    pub fn columns(&self) -> Vec<&'static str> {
        match self {
            Self::Entries(_) => Entries::columns(),
            Self::Groups(groups) => groups.columns(),
            Self::Chargeback(chargeback) => chargeback.columns(),
        }
    }

    /// The next rows; none: that was all.
    pub async fn next(&mut self) -> Result<Vec<ExportRow>, StoreError> {
        match self {
            Self::Entries(entries) => entries.next().await,
            Self::Groups(groups) => groups.next().await,
            Self::Chargeback(chargeback) => chargeback.next().await,
        }
    }
}
