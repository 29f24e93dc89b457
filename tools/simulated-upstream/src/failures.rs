//! Which request still gets an error when only so many errors are wanted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::behaviour::{Behaviour, ErrorAnswer};

/// A client that makes up labels must not fill the memory.
const MOST_LABELS: usize = 1_000;

#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// Since the behaviour was set.
    given: AtomicU64,
    /// Since the last reset.
    given_by_label: Mutex<BTreeMap<String, u64>>,
}

impl Failures {
    /// The error due for this request; uses up one of a limited number.
    pub(crate) fn take(&self, behaviour: &Behaviour) -> Option<ErrorAnswer> {
        let error = behaviour.error?;
        let given = match &behaviour.error_label {
            Some(label) => self.count(label),
            None => self.given.fetch_add(1, Ordering::Relaxed),
        };
        let due = behaviour.error_times.is_none_or(|times| given < times);
        due.then_some(error)
    }

    pub(crate) fn start_over(&self) {
        self.given.store(0, Ordering::Relaxed);
    }

    pub(crate) fn reset(&self) {
        self.start_over();
        self.given_by_label.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How many errors that label had before.
    fn count(&self, label: &str) -> u64 {
        let mut labels = self.given_by_label.lock().unwrap_or_else(PoisonError::into_inner);
        if labels.len() >= MOST_LABELS && !labels.contains_key(label) {
            labels.pop_first();
        }
        let given = labels.entry(label.to_owned()).or_default();
        *given += 1;
        *given - 1
    }
}
