//! Calling upstreams until one answers: another upstream, the same one again, another model.
//!
//! Everything here happens before the first byte of the answer goes to the client, so that a retry is never seen. What
//! may be repeated, how often and when is decided by [`crate::routing`].

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use http::Response;
use hyper::body::Incoming;
use maas_llm::error::ApiErrorCode;
use maas_types::Outcome;

use super::{
    asked::{Asked, Content},
    call::{CallFailed, call},
    outgoing::{self, Outgoing},
    rights,
    route::ModelRoute,
};
use crate::{
    refusal::Refusal,
    routing::{
        Attempt, Failure, FailureClass, FallbackReason, Fallbacks, HasFallbacks as _, Plan, Retries, RetryDecision,
        Standing,
    },
    state::{ModelEntry, UpstreamEntry, Via},
    worker::Worker,
};

/// An upstream has answered that it will serve; its body has not been read.
pub struct Reply {
    pub response: Response<Incoming>,
    pub model: Arc<ModelEntry>,
    pub upstream: Arc<UpstreamEntry>,
    pub via: Via,
    /// To be told how the rest went; counts as in flight until it is dropped.
    pub attempt: Attempt,
    /// When the request that it answers was handed to the client.
    pub sent: Instant,
    pub head_received: Instant,
}

/// Why a call was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptKind {
    Primary,
    Retry,
    Fallback,
    Mirror,
}

impl AttemptKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Retry => "retry",
            Self::Fallback => "fallback",
            Self::Mirror => "mirror",
        }
    }
}

/// One try, for the usage event.
pub struct Attempted {
    pub model: Arc<ModelEntry>,
    pub upstream: Arc<UpstreamEntry>,
    pub kind: AttemptKind,
    pub outcome: Outcome,
    pub status: u16,
    pub took: Duration,
}

pub struct Sent {
    pub attempts: Vec<Attempted>,
    /// The refusal is that of the model that was asked for, whatever was tried after it.
    pub result: Result<Reply, Refusal>,
}

/// Tries the model's upstreams, then its fallbacks.
pub async fn send(worker: Rc<Worker>, asked: Rc<Asked>, route: ModelRoute) -> Sent {
    let mut sending = Sending { worker: &worker, asked: &asked, attempts: Vec::with_capacity(1) };
    let result = sending.any_model(route).await;
    Sent { attempts: sending.attempts, result }
}

struct Sending<'a> {
    worker: &'a Rc<Worker>,
    asked: &'a Asked,
    attempts: Vec<Attempted>,
}

/// Why a model did not answer.
struct ModelFailed {
    refusal: Refusal,
    /// Whether another model may help, and which list names it.
    reason: Option<FallbackReason>,
}

impl Sending<'_> {
    async fn any_model(&mut self, first: ModelRoute) -> Result<Reply, Refusal> {
        // While a model's servers are known to fail, a fallback answers at once and not after retries in vain.
        let spared = self.is_failing(&first) && self.has_fallback(&first);
        let failed = match spared {
            true => ModelFailed::without_upstream(),
            false => match self.one_model(&first, AttemptKind::Primary).await {
                Ok(reply) => return Ok(reply),
                Err(failed) => failed,
            },
        };
        match self.fallbacks(&first, failed).await {
            // Nothing is left but to see whether they are back.
            Err(_) if spared && self.can_be_sent() => {
                self.one_model(&first, AttemptKind::Retry).await.map_err(|failed| failed.refusal)
            }
            answered => answered,
        }
    }

    async fn fallbacks(&mut self, first: &ModelRoute, mut failed: ModelFailed) -> Result<Reply, Refusal> {
        // The client has asked for this model; that another one failed as well says nothing to it.
        let told = failed.refusal;
        let mut fallbacks = Fallbacks::of(&first.model);
        let mut model = first.model.clone();
        loop {
            let Some(reason) = failed.reason.filter(|_| !first.is_pinned() && self.can_be_sent()) else {
                return Err(told);
            };
            let next = fallbacks.next(&model, reason, |name| self.fallback(name));
            let Some(route) = next.and_then(|model| self.route(model)) else { return Err(told) };
            model = route.model.clone();
            failed = match self.one_model(&route, AttemptKind::Fallback).await {
                Ok(reply) => return Ok(reply),
                Err(failed) => failed,
            };
        }
    }

    /// Whether no upstream of the model is worth a try now.
    fn is_failing(&self, route: &ModelRoute) -> bool {
        let now = Instant::now();
        let stands = |upstream: &Arc<UpstreamEntry>| upstream.health.standing(upstream.capacity, now);
        route.upstreams().iter().all(|upstream| stands(upstream) >= Standing::CoolingDown)
    }

    fn has_fallback(&self, route: &ModelRoute) -> bool {
        let names = route.model.fallbacks(FallbackReason::Unavailable);
        !route.is_pinned() && names.iter().any(|name| self.fallback(name).is_some())
    }

    /// A fallback must be callable by this caller as well, since an administrator's list gives no rights, and have an
    /// upstream that can do what is asked.
    fn fallback(&self, name: &str) -> Option<Arc<ModelEntry>> {
        let models = rights::known_models(&self.worker.shared).ok()?;
        let model =
            models.get(name).filter(|model| rights::may_call(&self.worker.shared, &self.asked.caller, model))?;
        self.route(model.clone()).map(|route| route.model)
    }

    fn route(&self, model: Arc<ModelEntry>) -> Option<ModelRoute> {
        ModelRoute::of(model, self.asked.operation, None, None)
    }

    async fn one_model(&mut self, route: &ModelRoute, first_kind: AttemptKind) -> Result<Reply, ModelFailed> {
        let (model, upstreams) = (&route.model, route.upstreams());
        let affinity = if model.keeps_prefixes { self.asked.affinity() } else { None };
        let mut plan = Plan::new(model.policy, affinity);
        let mut retries = Retries::default();
        let mut kind = first_kind;
        let mut failed: Option<ModelFailed> = None;
        model.retry_budget.note_request(Instant::now());
        loop {
            let next = plan.next(upstreams, Instant::now(), &mut self.worker.random.borrow_mut());
            let next = next.and_then(|(index, attempt)| Some((upstreams.get(index)?, attempt)));
            let Some((upstream, mut attempt)) = next else {
                return Err(failed.unwrap_or_else(ModelFailed::without_upstream));
            };
            let (outgoing, via) = match self.prepare(upstream).await {
                Ok(prepared) => prepared,
                // What cannot be said to this one may be said to another, which speaks the client's language.
                Err(_) if plan.has_untried(upstreams) => continue,
                Err(refusal) => return Err(failed.unwrap_or(ModelFailed { refusal, reason: None })),
            };
            let began = Instant::now();
            let called = call(self.worker, self.asked, upstream, outgoing).await;
            self.note(model, upstream, kind, &called, began);
            let failure = match called {
                Ok(response) => {
                    let now = Instant::now();
                    attempt.answered(now);
                    let (model, upstream) = (model.clone(), upstream.clone());
                    return Ok(Reply { response, model, upstream, via, attempt, sent: began, head_received: now });
                }
                Err(call_failed) => {
                    let failure = call_failed.failure;
                    failed = Some(ModelFailed::of(call_failed));
                    failure
                }
            };
            attempt.failed(failure, Instant::now());
            // Before any wait: it counts as in flight.
            drop(attempt);
            kind = AttemptKind::Retry;
            match self.decide(&mut retries, model, failure, plan.has_untried(upstreams)) {
                RetryDecision::Another => {}
                RetryDecision::SameAfter(wait) => {
                    tokio::time::sleep(wait).await;
                    plan.start_over();
                }
                RetryDecision::GiveUp => return Err(failed.unwrap_or_else(ModelFailed::without_upstream)),
            }
        }
    }

    /// The request as this upstream gets it, or why it cannot be said there.
    async fn prepare(&self, upstream: &UpstreamEntry) -> Result<(Outgoing, Via), Refusal> {
        let via = upstream.via(self.asked.operation).ok_or(ApiErrorCode::InternalError)?;
        Ok((outgoing::build(self.asked, upstream, via).await?, via))
    }

    fn note(
        &mut self,
        model: &Arc<ModelEntry>,
        upstream: &Arc<UpstreamEntry>,
        kind: AttemptKind,
        called: &Result<Response<Incoming>, CallFailed>,
        began: Instant,
    ) {
        let (outcome, status) = match called {
            Ok(response) => (Outcome::Success, response.status().as_u16()),
            Err(failed) => (failed.refusal.settlement().outcome, failed.status),
        };
        let (model, upstream, took) = (model.clone(), upstream.clone(), began.elapsed());
        self.attempts.push(Attempted { model, upstream, kind, outcome, status, took });
    }

    fn decide(&self, retries: &mut Retries, model: &ModelEntry, failure: Failure, has_another: bool) -> RetryDecision {
        if !self.can_be_sent() {
            return RetryDecision::GiveUp;
        }
        let settings = self.worker.shared.routing.settings();
        let random = &mut self.worker.random.borrow_mut();
        retries.after(failure, has_another, &model.retry_budget, settings, Instant::now(), random)
    }

    /// Whether another upstream could be given the request.
    fn can_be_sent(&self) -> bool {
        match &self.asked.content {
            Content::Json { .. } => true,
            Content::Upload(upload) => upload.can_be_sent(),
        }
    }
}

impl ModelFailed {
    fn of(failed: CallFailed) -> Self {
        // Another model helps when this one's servers do not serve, or its context is too short; not when the request is
        // wrong.
        let reason = match failed.failure.class {
            FailureClass::ContextLength => Some(FallbackReason::ContextLength),
            FailureClass::Client | FailureClass::RequestBody => None,
            _ => Some(FallbackReason::Unavailable),
        };
        Self { refusal: failed.refusal, reason }
    }

    fn without_upstream() -> Self {
        Self { refusal: ApiErrorCode::ModelUnavailable.into(), reason: Some(FallbackReason::Unavailable) }
    }
}
