//! Durability `host`: written records are synced to the disk on a thread of their own, and only then confirmed.
//!
//! Guarantees:
//! - records are confirmed in the order they were written in, and each only after a sync of the very file that holds
//!   it has succeeded;
//! - records that wait when a sync begins are confirmed together by the next one (group commit): the worker never
//!   waits for the disk;
//! - a sync that fails confirms nothing and is not repeated: the worker is told, gives the segment up, and writes
//!   everything that is not confirmed into a new one. Whoever waits then is told at once ([`JournalError::NotSynced`]),
//!   and admission has stopped.
//!
//! Positions count the bytes of records that the worker has accepted; they stay the same when records are written again.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    pin::Pin,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use crate::{
    JournalError,
    error::is_full,
    journal::Shared,
    source::{SettledRecord, Source},
    storage::SegmentFile,
};

/// A settlement with the earlier source whose request it ends, if it is not this one.
pub(crate) type Settlement = (SettledRecord, Option<Arc<Source>>);

/// What one flush has written.
pub(crate) struct Written {
    pub file: Arc<dyn SegmentFile>,
    pub segment: u32,
    /// The position behind its last record.
    pub through: u64,
    pub settlements: Vec<Settlement>,
}

/// Between the worker that writes, the thread that syncs, and those who wait.
pub(crate) struct SyncLine {
    shared: Arc<Shared>,
    source: Arc<Source>,
    /// Every record before this position is on the disk.
    confirmed: AtomicU64,
    state: Mutex<LineState>,
    work: Condvar,
}

#[derive(Default)]
struct LineState {
    /// In the order of writing.
    waiting: VecDeque<Written>,
    waiters: BTreeMap<u64, (u64, Waker)>,
    next_waiter: u64,
    /// How many syncs have failed so far.
    failures: u64,
    /// The settlements that a failed sync has left unconfirmed; nothing is synced until the worker has taken them.
    returned: Option<Vec<Settlement>>,
    /// The last segment that was synced.
    synced_segment: u32,
    ended: bool,
}

impl SyncLine {
    pub fn new(shared: Arc<Shared>, source: Arc<Source>) -> Arc<Self> {
        let (confirmed, state) = (AtomicU64::new(0), Mutex::default());
        Arc::new(Self { shared, source, confirmed, state, work: Condvar::new() })
    }

    /// Syncs until [`Self::end`], and what was handed over by then.
    pub fn run(&self) {
        loop {
            let mut state = self.state();
            while state.waiting.is_empty() || state.returned.is_some() {
                if state.ended {
                    return;
                }
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            drop(state);
            self.sync_once();
        }
    }

    /// Nothing more will be written. Who still waits is told that it is not known to be synced.
    pub fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        let woken = std::mem::take(&mut state.waiters);
        drop(state);
        self.work.notify_one();
        woken.into_values().for_each(|(_, waker)| waker.wake());
    }

    pub fn hand_over(&self, written: Written) {
        self.state().waiting.push_back(written);
        self.work.notify_one();
    }

    /// Syncs the file that is the first to wait, and confirms all that waits for it.
    pub fn sync_once(&self) {
        let Some(group) = self.first_file() else { return };
        match group.file.sync() {
            Ok(()) => self.confirm(group),
            Err(error) => self.fail(group, &error),
        }
    }

    /// What the worker has to write again after a failed sync, once.
    pub fn take_returned(&self) -> Option<Vec<Settlement>> {
        let mut state = self.state();
        let mut returned = state.returned.take()?;
        // Handed over before the worker knew.
        returned.extend(state.waiting.drain(..).flat_map(|written| written.settlements));
        Some(returned)
    }

    /// Takes back what has not begun to be synced, since the worker is about to write it elsewhere.
    pub fn take_back(&self) -> Vec<Settlement> {
        self.state().waiting.drain(..).flat_map(|written| written.settlements).collect()
    }

    pub fn confirmed(&self) -> u64 {
        self.confirmed.load(Ordering::Acquire)
    }

    pub fn has_synced(&self, segment: u32) -> bool {
        self.state().synced_segment >= segment
    }

    pub fn confirmation(self: &Arc<Self>, through: u64) -> Confirmation {
        let failures = self.state().failures;
        Confirmation { line: Arc::clone(self), through, failures, waiter: None }
    }

    /// All that was written to the first file, as one.
    fn first_file(&self) -> Option<Written> {
        let mut state = self.state();
        if state.returned.is_some() {
            return None;
        }
        let mut group = state.waiting.pop_front()?;
        while let Some(next) = state.waiting.pop_front_if(|next| next.segment == group.segment) {
            group.through = next.through;
            group.settlements.extend(next.settlements);
        }
        Some(group)
    }

    fn confirm(&self, group: Written) {
        self.source.publish(group.settlements.into_iter(), group.segment, &self.shared.options);
        // Behind the settlements: whoever sees this position confirmed finds them ready to be shipped.
        self.confirmed.fetch_max(group.through, Ordering::AcqRel);
        let mut state = self.state();
        state.synced_segment = state.synced_segment.max(group.segment);
        let woken: Vec<_> = state.waiters.extract_if(.., |_, (through, _)| *through <= group.through).collect();
        drop(state);
        woken.into_iter().for_each(|(_, (_, waker))| waker.wake());
    }

    fn fail(&self, group: Written, error: &io::Error) {
        let source = self.source.id;
        tracing::error!(%source, segment = group.segment, %error, "a segment of the journal cannot be synced and is given up");
        // Before anybody is woken: no further request is to be let in.
        self.shared.note_obstacle(true);
        // Some systems find out that there is no room only now.
        if is_full(error) {
            self.shared.give_back_ballast();
        }
        let mut state = self.state();
        state.failures += 1;
        state.returned = Some(group.settlements);
        let woken = std::mem::take(&mut state.waiters);
        drop(state);
        woken.into_values().for_each(|(_, waker)| waker.wake());
    }

    fn state(&self) -> MutexGuard<'_, LineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resolves when everything that its worker had accepted when it was made is on the disk, or when a sync fails before
/// that. It resolves only if that was flushed too.
pub struct Confirmation {
    line: Arc<SyncLine>,
    through: u64,
    /// Of the line, when this was made.
    failures: u64,
    waiter: Option<u64>,
}

impl Confirmation {
    /// Without waiting.
    pub fn is_confirmed(&self) -> bool {
        self.line.confirmed() >= self.through
    }
}

impl Future for Confirmation {
    type Output = Result<(), JournalError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.is_confirmed() {
            return Poll::Ready(Ok(()));
        }
        let line = Arc::clone(&self.line);
        let mut state = line.state();
        // Once more: it may have been confirmed, and others woken, before the lock was there.
        if self.is_confirmed() {
            return Poll::Ready(Ok(()));
        }
        if state.failures != self.failures || state.ended {
            return Poll::Ready(Err(JournalError::NotSynced));
        }
        let waiter = *self.waiter.get_or_insert_with(|| {
            state.next_waiter += 1;
            state.next_waiter
        });
        state.waiters.insert(waiter, (self.through, context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Confirmation {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter {
            self.line.state().waiters.remove(&waiter);
        }
    }
}
