//! What the process before this one left open is settled as `interrupted`, beside live traffic.
//!
//! Old settlements need nothing here: the journal makes their sources known, and they are shipped like live ones.

use std::time::Duration;

use maas_events::{
    usage::{Quality, UsageEvent},
    validate::quality_to_wire,
};
use maas_journal::{Flush, InterruptedRequest, Journal, JournalError, Recovery};
use maas_types::{Outcome, UsageQuality};
use prost::Message as _;

/// The worker number whose journal takes the settlements of earlier boots; worker threads count from 1.
pub const RECOVERY_WORKER: u32 = 0;

/// How often a disk that does not take the settlements is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Reads what is left (blocking) and settles what was open. While the disk does not take it, it is tried again until
/// `stopping`; the files stay as they are, so that nothing is lost by giving up then.
pub fn recover(journal: &Journal, recovery: Recovery, stopping: impl Fn() -> bool) -> Result<(), JournalError> {
    if recovery.segment_count() == 0 {
        return Ok(());
    }
    let sources = recovery.scan()?;
    let mut worker = journal.worker(RECOVERY_WORKER)?;
    for source in &sources {
        for request in &source.interrupted {
            let settled = worker.settle_interrupted(
                source.source,
                request.event_id,
                |sequence| interrupted_event(request, sequence).encode_to_vec(),
                Flush::Later,
            );
            if let Err(error) = settled {
                tracing::error!(event.id = %request.event_id, error = %error, "an interrupted request is not settled yet");
            }
        }
        tracing::info!(
            source = %source.source,
            settled = source.last_sequence,
            interrupted = source.interrupted.len(),
            damaged = source.damaged_segments,
            "usage of an earlier run is taken over"
        );
    }
    while let Err(error) = worker.flush() {
        if stopping() {
            return Err(error);
        }
        tracing::error!(error = %error, "interrupted requests cannot be settled yet");
        std::thread::sleep(TRY_AGAIN);
    }
    Ok(())
}

/// The event as it stood at admission, with what its last progress had counted.
fn interrupted_event(request: &InterruptedRequest, sequence: u64) -> UsageEvent {
    let mut event = UsageEvent::decode(request.admission.clone()).unwrap_or_else(|error| {
        // Ingest will quarantine it, with its id: it is not lost silently.
        tracing::error!(event.id = %request.event_id, error = %error, "an admission in the journal cannot be decoded");
        UsageEvent { id: bytes::Bytes::copy_from_slice(request.event_id.uuid().as_bytes()), ..Default::default() }
    });
    event.sequence = sequence;
    event.outcome = Outcome::Interrupted.as_str().to_owned();
    if let Some(progress) = request.progress.clone().and_then(|progress| UsageEvent::decode(progress).ok()) {
        event.tokens = progress.tokens;
        event.cost_nanos = progress.cost_nanos;
        event.quality = match Quality::try_from(progress.quality) {
            // Exact so far, but the request went on.
            Ok(Quality::Exact) => quality_to_wire(UsageQuality::Partial).into(),
            _ => progress.quality,
        };
    }
    event
}

#[cfg(test)]
mod tests {
    use maas_events::usage::Tokens;
    use maas_types::{EventId, Timestamp};

    use super::*;

    #[test]
    fn an_interrupted_request_is_billed_for_its_last_progress() {
        let admission = UsageEvent { model: "m".to_owned(), quality: Quality::None.into(), ..Default::default() };
        let tokens = Some(Tokens { input: 5, output: 3, ..Default::default() });
        let progress = UsageEvent { tokens, cost_nanos: 70, quality: Quality::Exact.into(), ..Default::default() };
        let mut request = InterruptedRequest {
            event_id: EventId::new_at(Timestamp::from_unix_ms(1_795_000_000_000)),
            admission: admission.encode_to_vec().into(),
            progress: Some(progress.encode_to_vec().into()),
        };
        let event = interrupted_event(&request, 9);
        assert_eq!((event.sequence, event.tokens, event.cost_nanos), (9, tokens, 70));
        assert_eq!((event.quality(), event.outcome.as_str()), (Quality::Partial, "interrupted"));
        request.progress = None;
        assert_eq!(interrupted_event(&request, 9).quality(), Quality::None);
    }
}
