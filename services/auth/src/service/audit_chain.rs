//! Checks a day of the audit book against its chain.
//!
//! Reads pages of rows and keeps none, so that a day of any size is checked with the memory of one page. Entries that
//! arrive meanwhile are no fault: the line is read first, what it counts is checked, and what stands beyond it is
//! compared with a line that was read afterwards.

use maas_store::{Database, StoreError};
use maas_types::UtcDay;

use super::Core;
use crate::{
    domain::audit_chain::{ChainCheck, ChainFault, DayLine},
    store::audit::chain,
};

#[derive(Debug)]
pub struct CheckedDay {
    /// Without entries when nothing was ever stored on this day.
    pub line: DayLine,
    pub faults: Vec<ChainFault>,
}

impl Core {
    pub async fn check_audit_day(&self, day: UtcDay) -> Result<CheckedDay, StoreError> {
        check_day(&self.database, day).await
    }
}

async fn check_day(database: &Database, day: UtcDay) -> Result<CheckedDay, StoreError> {
    let db = database.reader();
    let (line, before, after) = chain::lines_around(db, day).await?;
    // Of a day without a line its neighbours must be neighbours, which an empty line between them says.
    let expected = line.unwrap_or_else(|| DayLine::after(before.as_ref(), day));
    let mut check = ChainCheck::new(expected.clone());
    if expected.removed_at.is_none() {
        chain::check_entries(db, &expected, &mut check).await?;
    }
    // Rows before their line: a line is never behind rows that were seen.
    let beyond = chain::beyond(db, day, expected.entries_held()).await?;
    let now = chain::line_of(db, day).await?;
    let is_removed = now.as_ref().is_some_and(|now| now.removed_at.is_some());
    if is_removed {
        // Before or while they were read: only the line can be checked.
        check = ChainCheck::new(expected.clone());
    }
    let held = now.as_ref().map_or(0, DayLine::entries_held);
    if let Some((first, last)) = beyond.filter(|(first, last)| *first == 0 || *last > held) {
        check.see_added(first.max(held.saturating_add(1).min(last)), last);
    }
    let faults = match is_removed {
        true => check.finish_removed(before.as_ref(), after.as_ref()),
        false => check.finish(before.as_ref(), after.as_ref()),
    };
    Ok(CheckedDay { line: DayLine { removed_at: now.and_then(|now| now.removed_at), ..expected }, faults })
}
