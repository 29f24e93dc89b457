//! How a journal is opened.

use std::{fmt, sync::Arc, time::Duration};

use maas_types::{Clock, SystemClock};

/// What a confirmed record survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Written to the file: survives the end of the process, `kill -9` included, not that of the machine. A record is
    /// confirmed when the flush that wrote it returns.
    #[default]
    Process,
    /// Synced to the disk: survives the end of the machine too, as far as its disk keeps what it says. A record is
    /// confirmed some milliseconds after the flush that wrote it, see [`crate::Confirmation`].
    Host,
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
    /// Admission stops below this much free space plus one full record for each open request. As much again is held by
    /// the ballast: the disk has to have room for both.
    pub low_water_bytes: u64,
    /// How long a segment is kept after its last settlement, once all of it is committed.
    pub retention: Duration,
    /// How much all kept segments may hold together; beyond it the oldest go before their time.
    pub retained_bytes: u64,
    pub clock: Arc<dyn Clock>,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            durability: Durability::Process,
            segment_bytes: 16 * 1024 * 1024,
            ready_records: 65_536,
            low_water_bytes: 64 * 1024 * 1024,
            retention: Duration::from_secs(24 * 60 * 60),
            retained_bytes: 1024 * 1024 * 1024,
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
            .field("retention", &self.retention)
            .field("retained_bytes", &self.retained_bytes)
            .finish_non_exhaustive()
    }
}
