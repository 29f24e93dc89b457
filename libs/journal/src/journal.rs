//! The journal as a whole: who writes, what is shipped, how far it is committed, whether there is room.
//!
//! Guarantee: nothing is deleted that the caller's watermark does not cover ([`crate::retention`]). If the free space
//! cannot be read, admission stops rather than going on blindly. A boot that has heard of a newer one of its instance
//! admits nothing any more: two processes that write for one instance would each miss what the other one knows.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use maas_events::SourceId;
use maas_types::{EventId, Timestamp};
use uuid::Uuid;

use crate::{
    JournalError, JournalOptions, MAX_RECORD_LENGTH, Recovery, SettledRecord, SourceStatus, WorkerJournal,
    ballast::Ballast,
    folder::{open_existing_folder, open_folder},
    recovery::list_segments,
    segment::SegmentName,
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
    pub syncing: Syncing,
    pub instance: Uuid,
    boot: Uuid,
    sources: Mutex<BTreeMap<SourceId, Arc<Source>>>,
    space_low: AtomicBool,
    ballast: Ballast,
    /// Why nothing is admitted: workers that cannot write, and a newer boot.
    obstacles: AtomicUsize,
    superseded: AtomicBool,
    /// Every source that has something on disk is known.
    pub is_recovered: AtomicBool,
    /// As they are on disk, as far as this boot knows.
    pub last_watermarks: Mutex<String>,
}

/// Who syncs with [`crate::Durability::Host`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syncing {
    /// A thread for each worker.
    OnThread,
    /// The test, when it says so.
    #[cfg_attr(not(test), expect(dead_code, reason = "histories that can be repeated have no threads"))]
    ByHand,
}

impl Journal {
    /// Takes the folder, creating it if need be. The journal can be written at once; what earlier boots left is the
    /// business of [`Recovery::scan`], which may run beside it.
    pub fn open(folder: &Path, options: JournalOptions) -> Result<(Self, Recovery), JournalError> {
        Self::in_folder(folder, open_folder(folder)?, options)
    }

    /// The same for a folder that has to be a journal already.
    pub fn open_existing(folder: &Path, options: JournalOptions) -> Result<(Self, Recovery), JournalError> {
        Self::in_folder(folder, open_existing_folder(folder)?, options)
    }

    fn in_folder(
        folder: &Path,
        (storage, instance): (impl Storage, Uuid),
        options: JournalOptions,
    ) -> Result<(Self, Recovery), JournalError> {
        let unusable = |source| JournalError::Folder { path: folder.to_owned(), source };
        Self::with_storage(Arc::new(storage), instance, options, Syncing::OnThread).map_err(unusable)
    }

    pub(crate) fn with_storage(
        storage: Arc<dyn Storage>,
        instance: Uuid,
        options: JournalOptions,
        syncing: Syncing,
    ) -> std::io::Result<(Self, Recovery)> {
        let segments = list_segments(storage.as_ref())?;
        let shared = Arc::new(Shared {
            boot: new_boot(&segments, options.clock.now()),
            syncing,
            instance,
            sources: Mutex::default(),
            space_low: AtomicBool::new(false),
            ballast: Ballast::take_over(options.low_water_bytes, storage.as_ref()),
            obstacles: AtomicUsize::new(0),
            superseded: AtomicBool::new(false),
            is_recovered: AtomicBool::new(false),
            last_watermarks: Mutex::default(),
            options,
            storage,
        });
        let recovery = Recovery::new(Arc::clone(&shared), segments);
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
        let journal = WorkerJournal::new(Arc::clone(&self.shared), source);
        journal.inspect_err(|_| self.shared.drop_source(id))
    }

    /// The sources that are known: this boot's workers, and those that recovery found, also those that are kept for a
    /// while after everything of them is committed.
    pub fn sources(&self) -> Vec<SourceId> {
        self.shared.sources().keys().copied().collect()
    }

    pub fn status(&self, source: SourceId) -> Option<SourceStatus> {
        self.shared.source(source).ok().map(|source| source.status())
    }

    /// Up to `max` settled records in order, none of which was taken before; all of them are confirmed. An answer
    /// can be shorter than what waits, but it is empty only if nothing does. Blocks on a short disk read after an
    /// overflow.
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

    /// Notes that every sequence up to `committed_through` is committed. A watermark lower than before is taken as it is:
    /// what is still on disk counts as uncommitted again. Nothing is deleted before [`Self::tidy`].
    pub fn note_committed(&self, source: SourceId, committed_through: u64) -> Result<(), JournalError> {
        self.shared.source(source)?.note_committed(committed_through);
        Ok(())
    }

    /// Notes that the last word of a source was told; it can be forgotten once it is committed.
    pub fn note_closed(&self, source: SourceId) -> Result<(), JournalError> {
        self.shared.source(source)?.state().closed = true;
        Ok(())
    }

    /// Whether this is of a boot of this instance that was begun after this one, elsewhere: on a copy of the folder, or
    /// where the lock does not hold.
    pub fn is_newer_boot(&self, source: SourceId) -> bool {
        let is_timed = source.boot.get_version_num() == self.shared.boot.get_version_num();
        source.instance == self.shared.instance && is_timed && source.boot > self.shared.boot
    }

    /// Admits nothing any more, for good; what is open is settled and shipped as ever. True the first time.
    pub fn stop_admitting(&self) -> bool {
        let is_first = !self.shared.superseded.swap(true, Ordering::Relaxed);
        if is_first {
            self.shared.note_obstacle(true);
        }
        is_first
    }

    /// False while the disk is nearly full, its ballast is not whole, or a write has failed. A few atomic reads.
    pub fn can_admit(&self) -> bool {
        self.shared.can_admit()
    }

    /// Looks at the free space, and makes the ballast again once there is room for it; [`Self::tidy`] does it too.
    pub fn refresh_free_space(&self) {
        let missing = self.secure_space().unwrap_or_else(|error| {
            tracing::error!(%error, "the free space of the journal cannot be secured");
            u64::MAX
        });
        let low = missing > 0;
        if self.shared.space_low.swap(low, Ordering::Relaxed) != low {
            tracing::warn!(
                journal.space_low = low,
                missing,
                "the free space of the journal crossed its low-water mark"
            );
        }
    }

    /// How many bytes are missing before anything can be admitted.
    fn secure_space(&self) -> std::io::Result<u64> {
        let Shared { ballast, storage, .. } = self.shared.as_ref();
        ballast.check(storage.as_ref())?;
        let missing = self.missing_space()?;
        if missing > 0 || ballast.is_whole() {
            return Ok(missing);
        }
        ballast.make(storage.as_ref())?;
        self.missing_space()
    }

    /// How many bytes the disk would have to have more, for the settlements of all that is open and for the ballast.
    pub(crate) fn missing_space(&self) -> std::io::Result<u64> {
        let open: usize = self.shared.sources().values().map(|source| source.state().open.len()).sum();
        let low_water = self.shared.options.low_water_bytes.saturating_add(self.shared.ballast.missing_bytes());
        let needed = low_water.saturating_add((open * MAX_RECORD_LENGTH) as u64);
        Ok(needed.saturating_sub(self.shared.storage.free_bytes()?))
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
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

/// Random, since a counter on disk can roll back with its disk; with the time in front, so that of two boots the newer one
/// can be told, also if the clock went back between them.
fn new_boot(earlier: &[SegmentName], now: Timestamp) -> Uuid {
    let begun = |segment: &SegmentName| EventId::from_uuid(segment.boot).created_at();
    let last = earlier.iter().map(begun).max().unwrap_or(Timestamp::EPOCH);
    EventId::new_at(now.max(last.plus(Duration::from_millis(1)))).uuid()
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

    pub fn all_sources(&self) -> Vec<Arc<Source>> {
        self.sources().values().cloned().collect()
    }

    pub fn drop_source(&self, source: SourceId) {
        self.sources().remove(&source);
    }

    pub fn can_admit(&self) -> bool {
        !self.space_low.load(Ordering::Relaxed)
            && self.ballast.is_whole()
            && self.obstacles.load(Ordering::Relaxed) == 0
    }

    /// To be called when a write has found no room. True if there is more of it now.
    pub fn give_back_ballast(&self) -> bool {
        self.ballast.give_back(self.storage.as_ref())
    }

    /// Each obstacle that is noted has to be taken back by whoever noted it.
    pub fn note_obstacle(&self, is_there: bool) {
        if is_there {
            self.obstacles.fetch_add(1, Ordering::Relaxed);
        } else {
            self.obstacles.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn sources(&self) -> MutexGuard<'_, BTreeMap<SourceId, Arc<Source>>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
