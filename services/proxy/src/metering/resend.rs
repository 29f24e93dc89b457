//! Shipped events that are not committed: asked for, and sent again under a new id.

use std::time::Instant;

use maas_events::SourceId;

use super::{
    batch::{MOST_EVENTS, batches_of},
    progress::Progress,
    shipping::Shipper,
};

impl Shipper {
    /// Shipped events that stay uncommitted: first ask how far ingest is, then send them again under a new id. While
    /// nobody answers, nobody commits either, and what the bus has taken is waiting there.
    pub(super) async fn resend_if_stuck(&self, source: SourceId) {
        if !self.progress(source, |progress| progress.is_stuck(self.resend_after)) {
            return;
        }
        if !self.ask_for_watermarks(&[source]).await {
            self.progress(source, |progress| progress.moved_at = Instant::now());
            return;
        }
        if !self.progress(source, |progress| progress.is_stuck(self.resend_after)) {
            return;
        }
        let (first, last) = self.progress(source, Progress::next_gap);
        let records = match self.journal.settled_range(source, first, last, MOST_EVENTS) {
            Ok(records) => records,
            Err(error) => {
                tracing::error!(source = %source, error = %error, "the journal cannot be read");
                return;
            }
        };
        let resent = records.last().map(|record| record.sequence);
        match resent {
            Some(last) => {
                tracing::warn!(source = %source, first, last, "usage events are not committed and are sent again")
            }
            None => {
                tracing::error!(source = %source, first, last, "usage events are not committed and not in the journal")
            }
        }
        let attempt = self.progress(source, |progress| progress.note_resend(last, resent));
        for batch in batches_of(source, records, attempt) {
            if !self.deliver(source, &batch).await {
                return;
            }
            self.metrics.events_replayed.inc_by(batch.events);
        }
    }
}
