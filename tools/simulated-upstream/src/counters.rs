//! What was served, for comparison with the books of whoever called.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::operation::Operation;

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
    /// Only operations that had an end.
    pub operations: BTreeMap<Operation, OperationCounters>,
    /// The newest ones.
    pub cancellations: VecDeque<Cancellation>,
    /// By the `x-request-id` that came with them, in the order of their arrival; several if one was repeated. Only with
    /// [`Options::keep_served`](crate::Options::keep_served).
    pub served: BTreeMap<String, Vec<ServedRequest>>,
}

/// What was worked on for one request, whether or not it came to its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedRequest {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub completed: bool,
}

impl Counters {
    pub fn requests_of(&self, operation: Operation) -> u64 {
        self.requests.get(&operation).copied().unwrap_or(0)
    }

    /// How the requests of one operation ended, and their tokens.
    pub fn of(&self, operation: Operation) -> OperationCounters {
        self.operations.get(&operation).copied().unwrap_or_default()
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

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationCounters {
    pub completed: u64,
    pub cancelled: u64,
    pub refused: u64,
    pub broken: u64,
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

    pub(crate) fn completed(&self, operation: Operation) {
        let mut all = self.lock();
        all.completed += 1;
        all.operations.entry(operation).or_default().completed += 1;
    }

    pub(crate) fn refused(&self, operation: Operation) {
        let mut all = self.lock();
        all.refused += 1;
        all.operations.entry(operation).or_default().refused += 1;
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Counters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
