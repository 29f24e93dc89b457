//! How a journal is opened.

use std::{fmt, sync::Arc};

use maas_types::{Clock, SystemClock};

/// What a confirmed record survives. Group-committed `fsync` (surviving the host) will be a second variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Written to the file: survives the end of the process, not that of the machine.
    #[default]
    Process,
}

/// When a record reaches the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// Before the call returns.
    Now,
    /// With the next flush of this worker, which the caller owes before it acts on the record: before the upstream is
    /// called for an admission, before the terminal chunk goes out for a settlement.
    Later,
}

#[derive(Clone)]
pub struct JournalOptions {
    pub durability: Durability,
    /// A segment that has reached this size is followed by a new one.
    pub segment_bytes: u64,
    /// How many settled records wait for shipping in memory, per source; beyond it they are read back from the file.
    pub ready_records: usize,
    /// Admission stops below this much free space plus one full record for each open request.
    pub low_water_bytes: u64,
    pub clock: Arc<dyn Clock>,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            durability: Durability::Process,
            segment_bytes: 16 * 1024 * 1024,
            ready_records: 65_536,
            low_water_bytes: 64 * 1024 * 1024,
            clock: Arc::new(SystemClock),
        }
    }
}

impl fmt::Debug for JournalOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalOptions")
            .field("durability", &self.durability)
            .field("segment_bytes", &self.segment_bytes)
            .field("ready_records", &self.ready_records)
            .field("low_water_bytes", &self.low_water_bytes)
            .finish_non_exhaustive()
    }
}
