//! What was served, for comparison with the books of whoever called.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::operation::Operation;

const KEPT_CANCELLATIONS: usize = 1_000;

/// Requests are counted when they arrive; each then ends as exactly one of completed, cancelled, refused and broken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    pub requests: BTreeMap<Operation, u64>,
    /// Everything was handed to the connection.
    pub completed: u64,
    /// The client went before the end.
    pub cancelled: u64,
    /// An error was answered instead of a result.
    pub refused: u64,
    /// Broken off in the middle, as the behaviour asked.
    pub broken: u64,
    pub input_tokens: u64,
    /// Tokens that were sent, also in answers that did not come to their end.
    pub output_tokens: u64,
    pub open_streams: u64,
    pub models: BTreeMap<String, ModelCounters>,
    /// The newest ones.
    pub cancellations: VecDeque<Cancellation>,
}

impl Counters {
    pub fn requests_of(&self, operation: Operation) -> u64 {
        self.requests.get(&operation).copied().unwrap_or(0)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCounters {
    pub requests: u64,
    pub completed: u64,
    pub cancelled: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancellation {
    pub model: String,
    pub noticed_unix_ms: u64,
    /// Sent before that.
    pub output_tokens: u64,
}

/// The counters while the server runs.
#[derive(Debug, Default)]
pub(crate) struct LiveCounters(Mutex<Counters>);

impl LiveCounters {
    pub(crate) fn snapshot(&self) -> Counters {
        self.lock().clone()
    }

    /// Streams that are still open stay counted.
    pub(crate) fn reset(&self) {
        let mut counters = self.lock();
        *counters = Counters { open_streams: counters.open_streams, ..Counters::default() };
    }

    pub(crate) fn arrived(&self, operation: Operation) {
        *self.lock().requests.entry(operation).or_default() += 1;
    }

    pub(crate) fn completed(&self) {
        self.lock().completed += 1;
    }

    pub(crate) fn refused(&self) {
        self.lock().refused += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Counters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One accepted request. Dropped without another end, it counts as cancelled: that is how the server learns that the
/// client has gone.
#[derive(Debug)]
pub(crate) struct Serving {
    counters: Arc<LiveCounters>,
    model: String,
    output_tokens: u64,
    ended: bool,
    streamed: bool,
}

impl Serving {
    /// `model` is the served model's name, without modifiers.
    pub(crate) fn begin(counters: Arc<LiveCounters>, model: &str) -> Self {
        model_counters(&mut counters.lock(), model).requests += 1;
        Self { counters, model: model.to_owned(), output_tokens: 0, ended: false, streamed: false }
    }

    /// The input was worked on: from here it counts, however the request ends.
    pub(crate) fn accepted(&mut self, input_tokens: u64) {
        let mut all = self.counters.lock();
        all.input_tokens += input_tokens;
        model_counters(&mut all, &self.model).input_tokens += input_tokens;
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
    }

    pub(crate) fn completed(&mut self) {
        self.ended = true;
        let mut all = self.counters.lock();
        all.completed += 1;
        model_counters(&mut all, &self.model).completed += 1;
    }

    pub(crate) fn refused(&mut self) {
        self.ended = true;
        self.counters.refused();
    }

    pub(crate) fn broken(&mut self) {
        self.ended = true;
        self.counters.lock().broken += 1;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let mut all = self.counters.lock();
        if self.streamed {
            all.open_streams = all.open_streams.saturating_sub(1);
        }
        if self.ended {
            return;
        }
        all.cancelled += 1;
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
