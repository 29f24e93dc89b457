//! The journal as a whole: who writes, what is shipped, what may be deleted, whether there is room.
//!
//! Guarantee: nothing is deleted that the caller's watermark does not cover. If the free space cannot be read,
//! admission stops rather than going on blindly.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use maas_events::SourceId;
use uuid::Uuid;

use crate::{
    JournalError, JournalOptions, MAX_RECORD_LENGTH, Recovery, SettledRecord, SourceStatus, WorkerJournal,
    folder::open_folder,
    source::{Source, SourceState},
    storage::Storage,
};

/// A handle on the journal; clones share it. The folder's lock is held until the last clone and worker are gone.
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
}

/// The gauges of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JournalStats {
    /// Settled and not yet committed.
    pub events: u64,
    /// Of all segments.
    pub bytes: u64,
    /// When the oldest of those events was settled (of an earlier boot: admitted).
    pub oldest_unix_ms: Option<i64>,
}

pub(crate) struct Shared {
    pub storage: Arc<dyn Storage>,
    pub options: JournalOptions,
    pub instance: Uuid,
    boot: Uuid,
    sources: Mutex<BTreeMap<SourceId, Arc<Source>>>,
    space_low: AtomicBool,
    failed_workers: AtomicUsize,
}

impl Journal {
    /// Takes the folder, creating it if need be. The journal can be written at once; what earlier boots left is the
    /// business of [`Recovery::scan`], which may run beside it.
    pub fn open(folder: &Path, options: JournalOptions) -> Result<(Self, Recovery), JournalError> {
        let (storage, instance) = open_folder(folder)?;
        let unusable = |source| JournalError::Folder { path: folder.to_owned(), source };
        Self::with_storage(Arc::new(storage), instance, options).map_err(unusable)
    }

    pub(crate) fn with_storage(
        storage: Arc<dyn Storage>,
        instance: Uuid,
        options: JournalOptions,
    ) -> std::io::Result<(Self, Recovery)> {
        let shared = Arc::new(Shared {
            options,
            instance,
            // Random: a counter on disk can roll back with its disk.
            boot: Uuid::new_v4(),
            sources: Mutex::default(),
            space_low: AtomicBool::new(false),
            failed_workers: AtomicUsize::new(0),
            storage,
        });
        let recovery = Recovery::new(Arc::clone(&shared))?;
        let journal = Self { shared };
        journal.refresh_free_space();
        Ok((journal, recovery))
    }

    pub fn instance(&self) -> Uuid {
        self.shared.instance
    }

    pub fn boot(&self) -> Uuid {
        self.shared.boot
    }

    /// The journal of one worker thread; each number is given out once per boot.
    pub fn worker(&self, worker: u32) -> Result<WorkerJournal, JournalError> {
        let id = SourceId { instance: self.shared.instance, boot: self.shared.boot, worker };
        let source = Arc::new(Source::new(id, 1, SourceState::new(0, false)));
        if !self.shared.add_source(Arc::clone(&source)) {
            return Err(JournalError::WorkerTaken { worker });
        }
        Ok(WorkerJournal::new(Arc::clone(&self.shared), source))
    }

    /// The sources that are known: this boot's workers, and those that recovery found.
    pub fn sources(&self) -> Vec<SourceId> {
        self.shared.sources().keys().copied().collect()
    }

    pub fn status(&self, source: SourceId) -> Option<SourceStatus> {
        self.shared.source(source).ok().map(|source| source.status())
    }

    /// Up to `max` settled records in order, none of which was taken before; all of them are in the file. An answer can
    /// be shorter than what waits, but it is empty only if nothing does. Blocks on disk reads after an overflow.
    pub fn take_settled(&self, source: SourceId, max: usize) -> Result<Vec<SettledRecord>, JournalError> {
        self.shared.source(source)?.take_settled(max, self.shared.storage.as_ref())
    }

    /// The first `max` of the settled records `first..=last` on disk, for a resend; those already forgotten are
    /// missing, so an answer that is empty says that nothing is left of the range.
    pub fn settled_range(
        &self,
        source: SourceId,
        first: u64,
        last: u64,
        max: usize,
    ) -> Result<Vec<SettledRecord>, JournalError> {
        self.shared.source(source)?.settled_range(first, last, max, self.shared.storage.as_ref())
    }

    /// Notes that every sequence up to `committed_through` is committed, and deletes the segments that nobody needs any
    /// more. A sealed source of which nothing is left is gone afterwards. A watermark lower than before is taken as it
    /// is: what is still on disk counts as uncommitted again.
    pub fn forget(&self, source: SourceId, committed_through: u64) -> Result<(), JournalError> {
        let nothing_left = self.shared.source(source)?.forget(committed_through, self.shared.storage.as_ref())?;
        if nothing_left {
            self.shared.sources().remove(&source);
        }
        Ok(())
    }

    /// False while the disk is nearly full or a write has failed. One atomic read or two.
    pub fn can_admit(&self) -> bool {
        self.shared.can_admit()
    }

    /// Looks at the disk; to be called every second.
    pub fn refresh_free_space(&self) {
        let open: usize = self.shared.sources().values().map(|source| source.state().open.len()).sum();
        let needed = self.shared.options.low_water_bytes.saturating_add((open * MAX_RECORD_LENGTH) as u64);
        let low = match self.shared.storage.free_bytes() {
            Ok(free) => free < needed,
            Err(error) => {
                tracing::error!(%error, "the free space of the journal cannot be read");
                true
            }
        };
        if self.shared.space_low.swap(low, Ordering::Relaxed) != low {
            tracing::warn!(journal.space_low = low, "the free space of the journal crossed its low-water mark");
        }
    }

    pub fn stats(&self) -> JournalStats {
        let mut stats = JournalStats::default();
        for source in self.shared.sources().values() {
            let state = source.state();
            stats.events += state.uncommitted();
            stats.bytes += state.segments.iter().map(|segment| segment.bytes).sum::<u64>();
            let oldest = state.oldest_uncommitted().map(|time| time.unix_ms());
            stats.oldest_unix_ms = [stats.oldest_unix_ms, oldest].into_iter().flatten().min();
        }
        stats
    }
}

impl Shared {
    pub fn source(&self, source_id: SourceId) -> Result<Arc<Source>, JournalError> {
        self.sources().get(&source_id).cloned().ok_or(JournalError::UnknownSource { source_id })
    }

    /// False if there is one of this id.
    pub fn add_source(&self, source: Arc<Source>) -> bool {
        let mut sources = self.sources();
        if sources.contains_key(&source.id) {
            return false;
        }
        sources.insert(source.id, source);
        true
    }

    pub fn can_admit(&self) -> bool {
        !self.space_low.load(Ordering::Relaxed) && self.failed_workers.load(Ordering::Relaxed) == 0
    }

    pub fn note_worker_failed(&self, failed: bool) {
        if failed {
            self.failed_workers.fetch_add(1, Ordering::Relaxed);
        } else {
            self.failed_workers.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn sources(&self) -> MutexGuard<'_, BTreeMap<SourceId, Arc<Source>>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
