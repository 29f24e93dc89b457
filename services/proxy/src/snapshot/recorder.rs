//! Writing the file, on a thread of its own.

use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Write as _},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use anyhow::Context as _;
use bytes::Bytes;
use maas_events::Bucket;
use maas_revocation::OwnerName;
use maas_runtime::process::Process;
use tokio::sync::oneshot;

use super::{
    OpenFile, compaction,
    format::{Checkpoint, HEADER, owner_reached, write_checkpoint, write_values},
};
use crate::{revocation::Reached, state::watch::Applier};

const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);
/// Bytes that wait to be written; a disk that is further behind is given up.
const MOST_WAITING: usize = 256 * 1024 * 1024;
/// Who can wait, waits from here on.
const SOME_WAITING: usize = 32 * 1024 * 1024;
/// Smaller files are not written anew.
const WORTH_COMPACTING: u64 = 16 * 1024 * 1024;

/// What is to be written, in this order.
enum Entry {
    Values(Bucket, Vec<Bytes>),
    Checkpoint(Checkpoint),
    End,
}

/// Takes values for the file; clones share it.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    entries: mpsc::Sender<Entry>,
    waiting: AtomicUsize,
    gave_up: AtomicBool,
    reached: Mutex<BTreeMap<OwnerName, Reached>>,
}

impl Recorder {
    /// Spawns the writer and the checkpoints. They end at the soft stop, after a last checkpoint.
    pub(super) fn spawn(file: OpenFile, applier: &Arc<Applier>, process: &Process) -> Self {
        let (sender, entries) = mpsc::channel();
        let recorder = Self(Arc::new(Inner {
            entries: sender,
            waiting: AtomicUsize::new(0),
            gave_up: AtomicBool::new(false),
            reached: Mutex::default(),
        }));
        let writer = Writer { file, compacted: 0, recorder: recorder.clone(), applier: Arc::downgrade(applier) };
        let (ended, written) = oneshot::channel();
        // A thread of its own, which nobody has to wait for where a runtime ends without a stop.
        let spawned = thread::Builder::new().name("proxy-state-copy".to_owned()).spawn(move || {
            writer.run(&entries);
            // Nobody waits where the process did not stop softly.
            let _ = ended.send(());
        });
        process.lifecycle.spawn("proxy state copy", async move {
            spawned.context("the thread that copies the state")?;
            // An error says that the thread is gone, which it has told.
            let _ = written.await;
            Ok(())
        });
        let (checkpoints, applier) = (recorder.clone(), Arc::downgrade(applier));
        let stopping = process.lifecycle.soft_stop().clone();
        process.lifecycle.spawn("proxy state checkpoints", async move {
            let mut turns = tokio::time::interval_at(tokio::time::Instant::now() + CHECKPOINT_EVERY, CHECKPOINT_EVERY);
            loop {
                let is_stopping = tokio::select! {
                    _ = turns.tick() => false,
                    () = stopping.cancelled() => true,
                };
                if let Some(applier) = applier.upgrade() {
                    checkpoints.checkpoint(applier.complete_buckets());
                }
                if is_stopping {
                    checkpoints.send(Entry::End);
                    return Ok(());
                }
            }
        });
        recorder
    }

    /// Notes values that are in force now.
    pub fn record(&self, bucket: Bucket, values: Vec<Bytes>) {
        if values.is_empty() {
            return;
        }
        let bytes: usize = values.iter().map(Bytes::len).sum();
        if self.0.waiting.fetch_add(bytes, Ordering::Relaxed) > MOST_WAITING {
            self.0.gave_up.store(true, Ordering::Relaxed);
        }
        self.send(Entry::Values(bucket, values));
    }

    /// For those that are in no hurry: returns once the disk has caught up.
    pub async fn room(&self) {
        while self.0.waiting.load(Ordering::Relaxed) > SOME_WAITING && !self.has_given_up() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Everything that was recorded before this holds the owner's revocations up to here.
    pub fn note_reached(&self, reached: Reached) {
        self.0.reached.lock().unwrap_or_else(PoisonError::into_inner).insert(reached.owner, reached);
    }

    fn checkpoint(&self, complete: Vec<Bucket>) {
        let reached = self.0.reached.lock().unwrap_or_else(PoisonError::into_inner);
        let owners = reached.values().map(owner_reached).collect();
        let complete = complete.into_iter().map(|bucket| bucket.as_str().to_owned()).collect();
        self.send(Entry::Checkpoint(Checkpoint { owners, complete }));
    }

    fn send(&self, entry: Entry) {
        // Nobody takes it any more once the process stops or the copy was given up.
        let _ = self.0.entries.send(entry);
    }

    fn has_given_up(&self) -> bool {
        self.0.gave_up.load(Ordering::Relaxed)
    }
}

struct Writer {
    file: OpenFile,
    /// Its length when it was last written anew.
    compacted: u64,
    recorder: Recorder,
    applier: Weak<Applier>,
}

impl Writer {
    fn run(mut self, entries: &mpsc::Receiver<Entry>) {
        let written = self.write_all(entries);
        let problem = match written {
            Ok(()) if !self.recorder.has_given_up() => return,
            Ok(()) => "the disk is too slow".to_owned(),
            Err(error) => error.to_string(),
        };
        self.recorder.0.gave_up.store(true, Ordering::Relaxed);
        tracing::error!(error = problem, "the copy of the state is given up until the next start");
        // It misses values; what it claims must not be believed.
        if let Err(error) = std::fs::remove_file(&self.file.path).or_else(|_| self.file.file.set_len(0)) {
            tracing::error!(error = %error, "the incomplete copy of the state cannot be removed: remove it");
        }
    }

    fn write_all(&mut self, entries: &mpsc::Receiver<Entry>) -> io::Result<()> {
        let mut to = BufWriter::with_capacity(1024 * 1024, self.file.file.try_clone()?);
        if self.file.length == 0 {
            to.write_all(&HEADER)?;
            self.file.length = HEADER.len() as u64;
        }
        for entry in entries {
            if self.recorder.has_given_up() {
                return Ok(());
            }
            match entry {
                Entry::Values(bucket, values) => {
                    self.file.length += write_values(&mut to, bucket, &values)?;
                    let bytes = values.iter().map(Bytes::len).sum();
                    self.recorder.0.waiting.fetch_sub(bytes, Ordering::Relaxed);
                }
                Entry::Checkpoint(checkpoint) => {
                    self.file.length += write_checkpoint(&mut to, &checkpoint)?;
                    to.flush()?;
                    self.file.file.sync_data()?;
                    if self.is_worth_compacting() && self.compact(&checkpoint)? {
                        to = BufWriter::with_capacity(1024 * 1024, self.file.file.try_clone()?);
                    }
                }
                Entry::End => return to.flush(),
            }
        }
        to.flush()
    }

    fn is_worth_compacting(&self) -> bool {
        self.file.length > WORTH_COMPACTING && self.file.length > self.compacted.saturating_mul(2)
    }

    fn compact(&mut self, checkpoint: &Checkpoint) -> io::Result<bool> {
        let Some(applier) = self.applier.upgrade() else { return Ok(false) };
        self.file = compaction::compact(&self.file, &applier, checkpoint)?;
        self.compacted = self.file.length;
        Ok(true)
    }
}
