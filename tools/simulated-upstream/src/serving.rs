//! One accepted request, from its acceptance to its end.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::counters::{Cancellation, Counters, LiveCounters, ModelCounters, OperationCounters, ServedRequest};
use crate::operation::Operation;

const KEPT_CANCELLATIONS: usize = 1_000;

/// Dropped without another end, it counts as cancelled: that is how the server learns that the client has gone.
#[derive(Debug)]
pub(crate) struct Serving {
    counters: Arc<LiveCounters>,
    operation: Operation,
    model: String,
    output_tokens: u64,
    ended: bool,
    streamed: bool,
    /// Where it is counted apart: its id, and the how-manyth of this id it is.
    kept: Option<(String, usize)>,
}

impl Serving {
    /// `model` is the served model's name, without modifiers; with `kept_id` the request is counted apart, too.
    pub(crate) fn begin(counters: Arc<LiveCounters>, operation: Operation, model: &str, kept_id: Option<&str>) -> Self {
        let mut all = counters.lock();
        model_counters(&mut all, model).requests += 1;
        let kept = kept_id.map(|id| {
            let of_id = all.served.entry(id.to_owned()).or_default();
            of_id.push(ServedRequest::default());
            (id.to_owned(), of_id.len() - 1)
        });
        drop(all);
        let model = model.to_owned();
        Self { counters, operation, model, output_tokens: 0, ended: false, streamed: false, kept }
    }

    /// The input was worked on: from here it counts, however the request ends.
    pub(crate) fn accepted(&mut self, input_tokens: u64) {
        let mut all = self.counters.lock();
        all.input_tokens += input_tokens;
        model_counters(&mut all, &self.model).input_tokens += input_tokens;
        self.operation_counters(&mut all).input_tokens += input_tokens;
        self.count_apart(&mut all, |served| served.input_tokens += input_tokens);
    }

    pub(crate) fn stream_opened(&mut self) {
        self.streamed = true;
        self.counters.lock().open_streams += 1;
    }

    pub(crate) fn sent(&mut self, output_tokens: u64) {
        if output_tokens == 0 {
            return;
        }
        self.output_tokens += output_tokens;
        let mut all = self.counters.lock();
        all.output_tokens += output_tokens;
        model_counters(&mut all, &self.model).output_tokens += output_tokens;
        self.operation_counters(&mut all).output_tokens += output_tokens;
        self.count_apart(&mut all, |served| served.output_tokens += output_tokens);
    }

    pub(crate) fn completed(&mut self) {
        self.ended = true;
        let mut all = self.counters.lock();
        all.completed += 1;
        model_counters(&mut all, &self.model).completed += 1;
        self.operation_counters(&mut all).completed += 1;
        self.count_apart(&mut all, |served| served.completed = true);
    }

    pub(crate) fn refused(&mut self) {
        self.ended = true;
        self.counters.refused(self.operation);
    }

    pub(crate) fn broken(&mut self) {
        self.ended = true;
        let mut all = self.counters.lock();
        all.broken += 1;
        self.operation_counters(&mut all).broken += 1;
    }

    /// Nothing is there any more after a reset.
    fn count_apart(&self, all: &mut Counters, count: impl FnOnce(&mut ServedRequest)) {
        let Some((id, number)) = &self.kept else { return };
        if let Some(served) = all.served.get_mut(id).and_then(|of_id| of_id.get_mut(*number)) {
            count(served);
        }
    }

    fn operation_counters<'a>(&self, all: &'a mut Counters) -> &'a mut OperationCounters {
        all.operations.entry(self.operation).or_default()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let counters = self.counters.clone();
        let mut all = counters.lock();
        if self.streamed {
            all.open_streams = all.open_streams.saturating_sub(1);
        }
        if self.ended {
            return;
        }
        all.cancelled += 1;
        self.operation_counters(&mut all).cancelled += 1;
        model_counters(&mut all, &self.model).cancelled += 1;
        if all.cancellations.len() == KEPT_CANCELLATIONS {
            all.cancellations.pop_front();
        }
        let model = std::mem::take(&mut self.model);
        let noticed_unix_ms = unix_ms();
        all.cancellations.push_back(Cancellation { model, noticed_unix_ms, output_tokens: self.output_tokens });
    }
}

fn model_counters<'a>(all: &'a mut Counters, model: &str) -> &'a mut ModelCounters {
    all.models.entry(model.to_owned()).or_default()
}

#[expect(clippy::disallowed_methods, reason = "a server of its own, outside the platform")]
fn unix_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}
