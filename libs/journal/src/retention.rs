//! What is kept of what nobody needs any more, and for how long.
//!
//! Guarantees:
//! - a segment goes only when everything in it and before it is ended and committed; it is kept for the retention after
//!   that, so that a ledger that was restored from an older copy gets it again, or until all kept segments together
//!   exceed their limit, or the disk is nearly full: new usage goes before old copies;
//! - the watermark is on disk, synced, before a segment is deleted under it, so that the next start knows that nothing
//!   is missing;
//! - a settlement of an earlier source's request is needed as long as its admission is: whatever is deleted or no
//!   longer read, and wherever the process ends in between, no request gets a second outcome.
//!
//! What fails leaves everything as it is, and the next call tries again.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, atomic::Ordering},
};

use maas_events::SourceId;
use maas_types::Timestamp;

use crate::{
    Durability, Journal, JournalError,
    segment::SegmentName,
    source::{Source, SourceState},
    watermarks::{self, SourceMark, Watermarks},
};

/// A segment that could go.
struct Kept {
    source: Arc<Source>,
    number: u32,
    bytes: u64,
    written_at: Timestamp,
}

impl Journal {
    /// Puts the watermarks on disk, deletes the segments whose time has come, and looks at the free space. Blocks on the
    /// disk; to be called every second.
    pub fn tidy(&self) -> Result<(), JournalError> {
        // What is not known yet must not look as if it were not there.
        let is_recovered = self.shared().is_recovered.load(Ordering::Acquire);
        let tidied = if is_recovered { self.tidy_segments() } else { Ok(()) };
        self.refresh_free_space();
        tidied
    }

    fn tidy_segments(&self) -> Result<(), JournalError> {
        // One at a time, also across a slow disk.
        let mut last_written = self.shared().last_watermarks.lock().unwrap_or_else(PoisonError::into_inner);
        let sources = self.shared().all_sources();
        let content = watermarks::encode(&note_unneeded(&sources));
        let expired = self.expired(&sources);
        // Without anything to delete it only spares the next start some work.
        let durability = if expired.is_empty() { Durability::Process } else { Durability::Host };
        if *last_written != content || durability == Durability::Host {
            let written = self.shared().storage.write_watermarks(content.as_bytes(), durability);
            written.map_err(|source| JournalError::Untidy { source })?;
            *last_written = content;
        }
        for (source, through) in expired {
            self.delete_segments(&source, through)?;
        }
        for source in sources.iter().filter(|source| source.state().is_gone()) {
            self.shared().drop_source(source.id);
        }
        Ok(())
    }

    /// By source, the number of the last segment that has to go now.
    fn expired(&self, sources: &[Arc<Source>]) -> Vec<(Arc<Source>, u32)> {
        let options = &self.shared().options;
        let on_disk: BTreeSet<SourceId> =
            sources.iter().filter(|source| !source.state().segments.is_empty()).map(|source| source.id).collect();
        // Should the watermarks be lost, the admissions must not be found without their settlements.
        let may_go = |source: &&Arc<Source>| source.state().settles_for.is_disjoint(&on_disk);
        let mut kept: Vec<Kept> = sources.iter().filter(may_go).flat_map(kept_segments).collect();
        // The numbers of one source ascend with their age, also when the clock went back meanwhile.
        kept.sort_by_key(|segment| (segment.written_at, segment.number));
        let mut total: u64 = kept.iter().map(|segment| segment.bytes).sum();
        let mut wanted_space = self.missing_space().unwrap_or(0);
        let now = options.clock.now();
        let mut expired: Vec<(Arc<Source>, u32)> = Vec::new();
        for segment in kept {
            let is_due = now.since(segment.written_at) >= options.retention;
            if !is_due && total <= options.retained_bytes && wanted_space == 0 {
                continue;
            }
            total -= segment.bytes;
            wanted_space = wanted_space.saturating_sub(segment.bytes);
            match expired.iter_mut().find(|(source, _)| source.id == segment.source.id) {
                Some((_, through)) => *through = segment.number.max(*through),
                None => expired.push((segment.source, segment.number)),
            }
        }
        expired
    }

    /// Deletes what is still not needed up to that segment.
    fn delete_segments(&self, source: &Arc<Source>, through: u32) -> Result<(), JournalError> {
        // Nobody reads them meanwhile, and no watermark goes back.
        let _shipping = source.shipping();
        let going: Vec<SegmentName> = {
            let state = source.state();
            let through = through.min(state.unneeded_through);
            let going = state.segments.iter().take(state.unneeded_segments()).map(|segment| segment.name);
            going.take_while(|name| name.number <= through).collect()
        };
        let last = going.last().map(|name| name.number);
        let names: Vec<String> = going.iter().map(ToString::to_string).collect();
        // Off the state's lock: the folder is synced, and the worker must not wait for that.
        let removed = self.shared().storage.remove(&names);
        removed.map_err(|source| JournalError::Untidy { source })?;
        let mut state = source.state();
        // The worker may have removed some of them meanwhile.
        while state.segments.pop_front_if(|segment| Some(segment.name.number) <= last).is_some() {}
        Ok(())
    }
}

/// Notes in each source how far it is not needed, and gives what is to be put on disk.
fn note_unneeded(sources: &[Arc<Source>]) -> Watermarks {
    let known: BTreeSet<SourceId> = sources.iter().map(|source| source.id).collect();
    let needed: BTreeSet<SourceId> =
        sources.iter().filter(|source| source.state().is_needed()).map(|source| source.id).collect();
    let mark = |source: &Arc<Source>| {
        let mut state = source.state();
        state.settles_for.retain(|earlier| known.contains(earlier));
        let is_free = state.settles_for.is_disjoint(&needed);
        state.unneeded_through = if is_free { state.last_unneeded() } else { 0 };
        let mark = SourceMark {
            committed_through: state.committed_through,
            unneeded_through: state.unneeded_through,
            closed: state.closed,
            settles_for: state.settles_for.clone(),
        };
        (source.id, mark)
    };
    sources.iter().map(mark).collect()
}

fn kept_segments(source: &Arc<Source>) -> Vec<Kept> {
    let state = source.state();
    let unneeded = state.segments.iter().take_while(|segment| segment.name.number <= state.unneeded_through);
    let kept = unneeded.map(|segment| Kept {
        source: Arc::clone(source),
        number: segment.name.number,
        bytes: segment.bytes,
        // Nothing was settled in it: it is of no use to any ledger.
        written_at: segment.last_sequence.map_or(Timestamp::EPOCH, |_| segment.written_at),
    });
    kept.collect()
}

impl SourceState {
    /// Nothing is left of it, and nothing will follow.
    fn is_gone(&self) -> bool {
        self.sealed && self.closed && self.segments.is_empty()
    }

    /// Whether a start would have to read something of it.
    fn is_needed(&self) -> bool {
        self.unneeded_segments() < self.segments.len()
    }

    fn last_unneeded(&self) -> u32 {
        self.unneeded_segments()
            .checked_sub(1)
            .and_then(|last| self.segments.get(last))
            .map_or(0, |last| last.name.number)
    }
}
