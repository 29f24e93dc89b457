//! What the server's workers share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::behaviour::Behaviour;
use crate::counters::LiveCounters;
use crate::failures::Failures;
use crate::recorder::Recorder;
use crate::responses::KeptResponses;

pub(crate) struct State {
    first_behaviour: Behaviour,
    behaviour: RwLock<Arc<Behaviour>>,
    next_id: AtomicU64,
    pub(crate) models: Vec<String>,
    pub(crate) failures: Failures,
    pub(crate) counters: Arc<LiveCounters>,
    pub(crate) responses: Arc<KeptResponses>,
    /// `None` where speed matters more.
    pub(crate) recorder: Option<Recorder>,
}

impl State {
    pub(crate) fn new(models: Vec<String>, behaviour: Behaviour, record_requests: bool) -> Self {
        Self {
            behaviour: RwLock::new(Arc::new(behaviour.clone())),
            first_behaviour: behaviour,
            next_id: AtomicU64::new(1),
            models,
            failures: Failures::default(),
            counters: Arc::default(),
            responses: Arc::default(),
            recorder: record_requests.then(Recorder::default),
        }
    }

    pub(crate) fn behaviour(&self) -> Arc<Behaviour> {
        self.behaviour.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For requests that arrive from now on.
    pub(crate) fn set_behaviour(&self, behaviour: Behaviour) {
        *self.behaviour.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(behaviour);
        self.failures.start_over();
    }

    /// Errors that were counted stay counted.
    pub(crate) fn change_behaviour(&self, change: impl FnOnce(&mut Behaviour)) {
        let mut current = self.behaviour.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut current));
    }

    /// Back to the first behaviour, nothing counted, recorded or kept.
    pub(crate) fn reset(&self) {
        self.set_behaviour(self.first_behaviour.clone());
        self.failures.reset();
        self.counters.reset();
        self.responses.reset();
        if let Some(recorder) = &self.recorder {
            recorder.reset();
        }
    }

    pub(crate) fn serves(&self, model: &str) -> bool {
        self.models.iter().any(|served| served == model)
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }
}
