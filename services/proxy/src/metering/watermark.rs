//! How far usage-ingest is with what was shipped: heard after each of its commits, asked for when in doubt.
//!
//! Guarantees: a watermark is taken as it is, also one that went back (a ledger restored from a copy): what the journal
//! still has above it is sent again. While nobody answers nothing is sent again: then nobody commits either, and what the
//! bus has taken is waiting there. What is kept of sources that have ended is asked about too, since no commit of theirs
//! will ever tell; a ledger that has forgotten their last word is told it again.
//!
//! With the same answers come the time, and, from elsewhere, news of boots that should not be there.

use std::time::{Duration, Instant};

use bytes::Bytes;
use maas_events::{
    SourceId,
    topic::WATERMARK_QUERY_SUBJECT,
    usage::{Watermark, WatermarkQuery, Watermarks},
};
use maas_journal::{Journal, SourceStatus};
use maas_types::Timestamp;
use prost::Message as _;
use tokio_util::sync::CancellationToken;

use super::{
    clock_offset::{MOST_OFFSET, proven_offset},
    shipping::Shipper,
};

const ASK_WITHIN: Duration = Duration::from_secs(2);
/// How soon a clock that is off, or a ledger that was restored, is noticed without traffic.
const ASK_EVERY: Duration = Duration::from_secs(15);
/// Fewer than ingest answers at once.
const SOURCES_PER_QUESTION: usize = 500;

impl Shipper {
    /// Asks for the time and for the sources that have ended, until the stop.
    pub(super) async fn keep_asking(&self, stop: &CancellationToken) {
        let mut ask = tokio::time::interval(ASK_EVERY);
        ask.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ask.tick() => self.ask_about_ended().await,
                () = stop.cancelled() => return,
            }
        }
    }

    /// At least one question, for the time.
    pub(super) async fn ask_about_ended(&self) {
        let sources = self.journal.sources();
        let has_ended = |source: &SourceId| self.journal.status(*source).is_some_and(|status| is_over(&status));
        let ended: Vec<_> = sources.into_iter().filter(has_ended).collect();
        let mut questions = ended.chunks(SOURCES_PER_QUESTION).chain(ended.is_empty().then_some(&[][..]));
        while let Some(question) = questions.next()
            && self.ask_for_watermarks(question).await
        {
            for source in question {
                self.close_again_if_forgotten(*source).await;
            }
        }
    }

    /// False if nobody answers. A source that ingest does not know has nothing committed.
    pub(super) async fn ask_for_watermarks(&self, sources: &[SourceId]) -> bool {
        let query = WatermarkQuery { sources: sources.iter().map(ToString::to_string).collect() };
        let asked = self.clock.now();
        let answer = self.bus.ask(WATERMARK_QUERY_SUBJECT, query.encode_to_vec().into(), ASK_WITHIN).await;
        // One that cannot be decoded says that ingest cannot read its own books.
        let Some(watermarks) = answer.ok().and_then(|answer| Watermarks::decode(answer).ok()) else { return false };
        if watermarks.told_at_ms > 0 {
            self.note_time(asked, Timestamp::from_unix_ms(watermarks.told_at_ms), self.clock.now());
        }
        for source in sources {
            if !watermarks.sources.iter().any(|watermark| watermark.source == source.to_string()) {
                self.note_watermark(*source, Watermark { closed: Some(false), ..Watermark::default() });
            }
        }
        self.take_in(watermarks);
        true
    }

    /// Takes in what was broadcast.
    pub(super) fn heard(&self, payload: Bytes) {
        match Watermarks::decode(payload) {
            Ok(watermarks) => self.take_in(watermarks),
            Err(error) => tracing::warn!(error = %error, "a watermark cannot be read"),
        }
    }

    fn take_in(&self, watermarks: Watermarks) {
        for watermark in watermarks.sources {
            let Ok(source) = watermark.source.parse::<SourceId>() else { continue };
            if self.journal.status(source).is_some() {
                self.note_watermark(source, watermark);
            } else if self.journal.is_newer_boot(source) && self.journal.stop_admitting() {
                // Those of other instances are not ours to know.
                self.checks.journal.set_failed("a newer process has this instance's journal");
                tracing::error!(source = %source, "a newer process writes for this instance; no requests are admitted any more: stop one of the two, and give each proxy a journal folder of its own");
            }
        }
    }

    fn note_watermark(&self, source: SourceId, watermark: Watermark) {
        let committed_through = watermark.committed_through;
        // It is gone meanwhile.
        let Some(status) = self.journal.status(source) else { return };
        self.progress(source, |progress| {
            if committed_through != progress.committed_through {
                progress.moved_at = Instant::now();
            }
            progress.committed_through = committed_through;
            progress.committed_above = watermark.above.iter().map(|range| (range.first, range.last)).collect();
            progress.is_open_there = watermark.closed == Some(false);
            // What is committed need not be shipped, but again if it should be lost there.
            progress.shipped_through = progress.shipped_through.max(committed_through.min(status.last_sequence));
        });
        // It was known a moment ago.
        let _ = self.journal.note_committed(source, committed_through);
    }

    fn note_time(&self, asked: Timestamp, told: Timestamp, heard: Timestamp) {
        let offset = proven_offset(asked, told, heard);
        self.metrics.clock_offset.set(i64::try_from(offset.as_secs()).unwrap_or(i64::MAX));
        let was_off = self.clock_is_off.swap(offset > MOST_OFFSET, std::sync::atomic::Ordering::Relaxed);
        match (offset > MOST_OFFSET, was_off) {
            (true, false) => {
                self.checks.clock.set_failed("the clock is more than 30 s off usage-ingest's");
                tracing::error!(
                    offset_seconds = offset.as_secs(),
                    "this machine's clock is off usage-ingest's: usage would be booked at the wrong time; mend the clock of the one that is wrong"
                );
            }
            (false, true) => {
                self.checks.clock.set_ok();
                tracing::info!("this machine's clock agrees with usage-ingest's again");
            }
            _ => {}
        }
    }
}

/// It says no more, and everything of it is committed.
pub(super) fn is_over(status: &SourceStatus) -> bool {
    status.sealed && status.closed && status.open_requests == 0 && status.committed_through >= status.last_sequence
}

/// What is still to be committed of a journal.
pub struct Remaining {
    pub sources: usize,
    pub events: u64,
}

pub fn remaining(journal: &Journal) -> Remaining {
    let status = |source| journal.status(source).filter(|status| !is_over(status));
    let busy: Vec<_> = journal.sources().into_iter().filter_map(status).collect();
    let uncommitted = |status: &SourceStatus| status.last_sequence.saturating_sub(status.committed_through);
    Remaining { sources: busy.len(), events: busy.iter().map(uncommitted).sum() }
}
