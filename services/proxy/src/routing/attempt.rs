//! One call of an upstream, from its beginning to the last byte of its answer.

use std::{sync::Arc, time::Instant};

use super::{circuit::ProbeTicket, failure::Failure, health::UpstreamHealth};

/// What a call may tell about the upstream's circuit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Permit {
    /// The circuit's openings when the call began.
    pub openings: u64,
    pub probe: Option<ProbeTicket>,
}

/// Counts as a request in flight until it is dropped, so keep it beside the answer's body. Tell it how the call went;
/// one that is dropped without a word says nothing about the upstream: the client has left.
///
/// The first of [`succeeded`](Self::succeeded) and [`failed`](Self::failed) counts, later ones do nothing.
pub struct Attempt {
    health: Arc<UpstreamHealth>,
    permit: Permit,
    has_ended: bool,
}

impl Attempt {
    pub(super) fn new(health: Arc<UpstreamHealth>, permit: Permit) -> Self {
        Self { health, permit, has_ended: false }
    }

    /// A good head is there: the upstream is back, if that was in question. Whether it serves well shows at the end.
    pub fn answered(&mut self, now: Instant) {
        self.health.note_answer(self.permit, now);
    }

    /// The answer was complete.
    pub fn succeeded(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.has_ended, true) {
            self.health.note_success(self.permit, now);
        }
    }

    /// The call failed, before the head or later. Anything may be told here: what is not the upstream's fault does not
    /// count against it.
    pub fn failed(&mut self, failure: impl Into<Failure>, now: Instant) {
        if !std::mem::replace(&mut self.has_ended, true) {
            self.health.note_failure(self.permit, failure.into(), now);
        }
    }

    /// Whether it is to show that an upstream is back.
    #[cfg(test)]
    pub(super) fn is_probe(&self) -> bool {
        self.permit.probe.is_some()
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.health.leave();
        self.health.release(self.permit);
    }
}
