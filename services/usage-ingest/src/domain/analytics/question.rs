//! One question about usage, ready to be asked: which rows, told apart by what, summed into which stretches of time.

use maas_types::Timestamp;

use super::{
    buckets::{Run, runs},
    figures::{Figures, Wanted},
    plan::{Needs, Part, Table, plan},
};
use crate::domain::{
    dimensions::Dimension,
    filter::{UsageFilter, Value},
    period::Period,
};

#[derive(Debug, Clone)]
pub struct Question {
    pub parts: Vec<Part>,
    pub runs: Vec<Run>,
    pub filter: UsageFilter,
    /// What rows are told apart by; empty: all together.
    pub group: Vec<Dimension>,
    pub wanted: Wanted,
}

/// The sums of one group in one stretch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The number of the stretch.
    pub stretch: usize,
    /// In the order of the question's group.
    pub group: Vec<Value>,
    pub figures: Figures,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("single requests are held only since {since}, and sums cannot tell this about an earlier time")]
pub struct NotHeld {
    pub since: Timestamp,
}

impl Question {
    /// Whether single entries are read to answer.
    pub fn reads_entries(&self) -> bool {
        self.parts.iter().any(|part| part.table == Table::Entries)
    }

    /// Fails if the answer needs entries that were dropped: stretches shorter than a quarter hour, and latencies by key
    /// or user in other stretches than days of UTC.
    pub fn new(
        stretches: &[Period],
        filter: UsageFilter,
        group: Vec<Dimension>,
        wanted: Wanted,
        entries_since: Timestamp,
    ) -> Result<Self, NotHeld> {
        let parts = plan(stretches, needs(&filter, &group, &wanted));
        let entries = parts.iter().filter(|part| part.table == Table::Entries).flat_map(|part| &part.times);
        if entries.into_iter().any(|times| times.from < entries_since) {
            return Err(NotHeld { since: entries_since });
        }
        Ok(Self { parts, runs: runs(stretches), filter, group, wanted })
    }
}

/// Whether all keys or users would be told apart. Single entries are too many for that, so latencies of each of them are
/// known of whole days only.
pub fn tells_all_people_apart(filter: &UsageFilter, group: &[Dimension]) -> bool {
    !filter.is_about_people() && group.iter().any(|dimension| dimension.is_about_people())
}

/// What rows must tell apart to answer.
pub fn needs(filter: &UsageFilter, group: &[Dimension], wanted: &Wanted) -> Needs {
    let people = filter.is_about_people() || group.iter().any(|dimension| dimension.is_about_people());
    Needs { people, latencies: !wanted.latencies.is_empty() }
}
