//! What a source says of itself: a heartbeat each second, and its last word. In the same stream as its events, so that
//! they cannot be overtaken.

use maas_events::{
    Delivery, SourceId,
    topic::usage_subject,
    usage::{Close, Heartbeat, UsageMessage, usage_message::Body},
};
use maas_journal::SourceStatus;
use prost::Message as _;

use super::{
    shipping::{PARTITION, Shipper},
    watermark::is_over,
};

impl Shipper {
    /// A source that will say no more says so once, and is forgotten when all of it is committed.
    pub(super) async fn close_if_ended(&self, source: SourceId) {
        let Some(status) = self.journal.status(source) else { return };
        if !status.sealed || status.open_requests > 0 {
            return;
        }
        let announced = self.progress(source, |progress| progress.heartbeats > 0);
        // Of an earlier boot nobody knows here whether it announced itself before its first settlement.
        let known_outside = status.last_sequence > 0 || announced || source.boot != self.journal.boot();
        if !status.closed && known_outside && !self.tell_close(source, format!("{source}:close"), &status).await {
            return;
        }
        // It was known a moment ago.
        let _ = self.journal.note_closed(source);
    }

    /// A ledger that was restored from an older copy, or a bus that was, may have lost the last word of a source whose
    /// events it has: until it hears it again it waits for that source, and counts nothing as complete.
    pub(super) async fn close_again_if_forgotten(&self, source: SourceId) {
        let Some(status) = self.journal.status(source).filter(is_over) else { return };
        let number = self.progress(source, |progress| {
            let is_forgotten = std::mem::take(&mut progress.is_open_there) && status.last_sequence > 0;
            progress.closes_again += u32::from(is_forgotten);
            is_forgotten.then_some(progress.closes_again)
        });
        if let Some(number) = number {
            tracing::info!(source = %source, "the ledger has not heard that this source has ended, and is told again");
            // A new id: the stream would drop the old one as a duplicate. One that is lost is asked about again.
            self.tell_close(source, format!("{source}:close:r{number}"), &status).await;
        }
    }

    async fn tell_close(&self, source: SourceId, id: String, status: &SourceStatus) -> bool {
        self.tell(source, id, Body::Close(Close { last_sequence: status.last_sequence })).await
    }

    pub(super) async fn heartbeat(&self, source: SourceId) {
        // Read first: a request that is admitted in between must not be older than what this heartbeat vouches for.
        let sent_at = self.clock.now();
        let Some(status) = self.journal.status(source) else { return };
        // A source that has nothing to tell is not announced.
        if status.sealed || (status.last_sequence == 0 && status.open_requests == 0) {
            return;
        }
        let number = self.progress(source, |progress| {
            progress.heartbeats += 1;
            progress.heartbeats
        });
        let heartbeat = Heartbeat {
            last_sequence: status.last_sequence,
            open_requests: status.open_requests as u64,
            oldest_open_admission_ms: status.oldest_open_admission.map_or(0, |time| time.unix_ms()),
            sent_at_ms: sent_at.unix_ms(),
        };
        // One that is lost is followed by the next.
        self.tell(source, format!("{source}:h{number}"), Body::Heartbeat(heartbeat)).await;
    }

    async fn tell(&self, source: SourceId, id: String, body: Body) -> bool {
        let message = UsageMessage { source: source.to_string(), body: Some(body) };
        let delivery = Delivery::Message {
            subject: usage_subject(PARTITION),
            id,
            headers: vec![("Maas-Source", source.to_string())],
            payload: message.encode_to_vec().into(),
        };
        self.deliverer.deliver(delivery).await
    }
}
