//! What the server's workers share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use actix_web::HttpRequest;

use crate::behaviour::Behaviour;
use crate::counters::LiveCounters;
use crate::dialect::header;
use crate::failures::Failures;
use crate::recorder::Recorder;
use crate::responses::KeptResponses;
use crate::server::Options;

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
    keeps_served: bool,
}

impl State {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            behaviour: RwLock::new(Arc::new(options.behaviour.clone())),
            first_behaviour: options.behaviour,
            next_id: AtomicU64::new(1),
            models: options.models,
            failures: Failures::default(),
            counters: Arc::default(),
            responses: Arc::default(),
            recorder: options.record_requests.then(Recorder::default),
            keeps_served: options.keep_served,
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

    /// The id under which a request is counted apart.
    pub(crate) fn kept_id<'a>(&self, request: &'a HttpRequest) -> Option<&'a str> {
        if self.keeps_served { header(request, "x-request-id") } else { None }
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }
}
