//! What the server's workers share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

use crate::answer::{CREATED, json_string};
use crate::behaviour::{Behaviour, ErrorAnswer};
use crate::counters::LiveCounters;
use crate::recorder::Recorder;

pub(crate) struct State {
    first_behaviour: Behaviour,
    behaviour: RwLock<Arc<Behaviour>>,
    /// Errors answered since the behaviour was set.
    errors_given: AtomicU64,
    models: Vec<String>,
    next_id: AtomicU64,
    pub(crate) models_body: Bytes,
    pub(crate) counters: Arc<LiveCounters>,
    /// `None` where speed matters more.
    pub(crate) recorder: Option<Recorder>,
}

impl State {
    pub(crate) fn new(models: Vec<String>, behaviour: Behaviour, record_requests: bool) -> Self {
        Self {
            behaviour: RwLock::new(Arc::new(behaviour.clone())),
            first_behaviour: behaviour,
            errors_given: AtomicU64::new(0),
            models_body: models_body(&models),
            models,
            next_id: AtomicU64::new(1),
            counters: Arc::default(),
            recorder: record_requests.then(Recorder::default),
        }
    }

    pub(crate) fn behaviour(&self) -> Arc<Behaviour> {
        self.behaviour.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For requests that arrive from now on.
    pub(crate) fn set_behaviour(&self, behaviour: Behaviour) {
        *self.behaviour.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(behaviour);
        self.errors_given.store(0, Ordering::Relaxed);
    }

    /// Back to the first behaviour, nothing counted, nothing recorded.
    pub(crate) fn reset(&self) {
        self.set_behaviour(self.first_behaviour.clone());
        self.counters.reset();
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

    /// The error due for this request; uses up one of a limited number.
    pub(crate) fn take_error(&self, behaviour: &Behaviour) -> Option<ErrorAnswer> {
        let error = behaviour.error?;
        let given = self.errors_given.fetch_add(1, Ordering::Relaxed);
        let due = behaviour.error_times.is_none_or(|times| given < times);
        due.then_some(error)
    }
}

pub(crate) fn model_object(id: &str) -> String {
    let id = json_string(id);
    format!(r#"{{"id":{id},"object":"model","created":{CREATED},"owned_by":"simulated-upstream"}}"#)
}

fn models_body(models: &[String]) -> Bytes {
    let objects: Vec<String> = models.iter().map(|id| model_object(id)).collect();
    format!(r#"{{"object":"list","data":[{}]}}"#, objects.join(",")).into()
}
