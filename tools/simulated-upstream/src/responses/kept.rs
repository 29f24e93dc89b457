//! Responses that can be read again, in memory and only so many.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

const MOST_RESPONSES: usize = 1_000;
const MOST_BYTES: usize = 16 * 1024 * 1024;

#[derive(Debug, Default)]
pub(crate) struct KeptResponses(Mutex<VecDeque<KeptResponse>>);

#[derive(Debug)]
pub(super) struct KeptResponse {
    pub(super) id: String,
    /// The response as JSON.
    pub(super) object: String,
    /// The request's `input` as JSON.
    pub(super) input: String,
    /// Of a response in the background, until somebody looks.
    pub(super) pending: Option<Pending>,
}

/// What becomes of a response in the background.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) completed: String,
    pub(super) cancelled: String,
}

impl KeptResponses {
    /// Forgets the oldest ones when there are too many.
    pub(super) fn keep(&self, response: KeptResponse) {
        let mut kept = self.lock();
        kept.push_back(response);
        let mut bytes: usize = kept.iter().map(KeptResponse::bytes).sum();
        while kept.len() > MOST_RESPONSES || bytes > MOST_BYTES {
            let Some(oldest) = kept.pop_front() else { return };
            bytes -= oldest.bytes();
        }
    }

    pub(super) fn change(&self, id: &str, object: String) {
        if let Some(response) = self.lock().iter_mut().find(|kept| kept.id == id) {
            response.object = object;
        }
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.lock().iter().any(|kept| kept.id == id)
    }

    /// The response as JSON. Work in the background is done by then.
    pub(super) fn read(&self, id: &str) -> Option<String> {
        let mut kept = self.lock();
        let response = kept.iter_mut().find(|kept| kept.id == id)?;
        if let Some(pending) = response.pending.take() {
            response.object = pending.completed;
        }
        Some(response.object.clone())
    }

    /// The input as JSON.
    pub(super) fn input(&self, id: &str) -> Option<String> {
        self.lock().iter().find(|kept| kept.id == id).map(|kept| kept.input.clone())
    }

    /// The cancelled response as JSON; inside, `None` if it was not in progress any more.
    pub(super) fn cancel(&self, id: &str) -> Option<Option<String>> {
        let mut kept = self.lock();
        let response = kept.iter_mut().find(|kept| kept.id == id)?;
        Some(response.pending.take().map(|pending| {
            response.object = pending.cancelled;
            response.object.clone()
        }))
    }

    /// Whether there was one.
    pub(super) fn forget(&self, id: &str) -> bool {
        let mut kept = self.lock();
        let before = kept.len();
        kept.retain(|response| response.id != id);
        kept.len() < before
    }

    pub(crate) fn reset(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<KeptResponse>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeptResponse {
    fn bytes(&self) -> usize {
        let pending = self.pending.as_ref().map_or(0, |pending| pending.completed.len() + pending.cancelled.len());
        self.object.len() + self.input.len() + pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(number: usize, input_bytes: usize) -> KeptResponse {
        KeptResponse { id: number.to_string(), object: String::new(), input: "x".repeat(input_bytes), pending: None }
    }

    #[test]
    fn the_oldest_are_forgotten_when_there_are_too_many_or_too_large_ones() {
        let kept = KeptResponses::default();
        (0..=MOST_RESPONSES).for_each(|number| kept.keep(response(number, 1)));
        assert!(!kept.knows("0") && kept.knows("1"));
        kept.keep(response(2_000, MOST_BYTES));
        assert!(!kept.knows("1000") && kept.knows("2000"));
    }
}
