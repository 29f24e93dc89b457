//! Exports: all rows of an answer, however many, with the memory of three pages.
//!
//! Guarantee: a file is of one moment. Each row comes once, and the rows add up to what a summary of the same question
//! said at that moment, whatever is booked while the client takes the file. All pages are read in one snapshot, on a
//! connection that nobody else waits for.
//!
//! What happens at each failure:
//! - the client takes no page for [`ExportLimits::pause`], or the file is not taken within [`ExportLimits::whole`]: the
//!   snapshot is let go of, and what was sent does not look complete;
//! - the client leaves: the snapshot is let go of at the next page;
//! - a page cannot be read: the rows end with an error, and what was sent does not look complete;
//! - the process vanishes: the database ends the snapshot by itself.

mod chargeback;
mod entries;
mod groups;
mod running;

pub use chargeback::{Chargeback, Month, NotAMonth, ReportFormat};
pub use entries::Entries;
pub use groups::{GroupedInput, Groups};
pub use running::{BrokenOff, ExportError, ExportLimits, ExportSnapshot, Exports, Pages};

use maas_store::StoreError;
use maas_types::csv::Cell;
use sea_orm::ConnectionTrait;

use crate::domain::analytics::figures::Figures;

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
    async fn next(&mut self, snapshot: &impl ConnectionTrait) -> Result<Vec<ExportRow>, StoreError> {
        match self {
            Self::Entries(entries) => entries.next(snapshot).await,
            Self::Groups(groups) => groups.next(snapshot).await,
            Self::Chargeback(chargeback) => chargeback.next(snapshot).await,
        }
    }
}
