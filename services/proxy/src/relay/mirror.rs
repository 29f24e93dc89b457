//! Copies of requests for mirrors: upstreams that are tried out with real traffic and never answer anybody.
//!
//! A copy is not the client's: it starts when the request is admitted and is waited for by nobody, its usage is booked
//! to the platform's own account, and when many are under way no more are made. Its weight is the share of requests, in
//! percent, that are copied.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Instant};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use maas_llm::{api::Api, error::ApiErrorCode, stream::StreamFilter};
use maas_types::{Outcome, TokenCounts, UsageQuality};

use super::{Form, Languages, answer, raw, stream::settlement};
use crate::{
    metering::{Account, Admission, OpenRequest, Settlement},
    request::{Asked, AttemptKind, Attempted, Content, Outgoing, build},
    state::{ModelEntry, UpstreamEntry, Via},
    worker::Worker,
};

/// On one worker thread, at the same time.
const MOST_COPIES: usize = 64;
const ALL: u32 = 100;
const FAILED: ApiErrorCode = ApiErrorCode::UpstreamError;
const LATE: ApiErrorCode = ApiErrorCode::UpstreamTimeout;

/// Sends copies to the model's mirrors, if it has any. Returns at once.
pub fn copy(worker: &Rc<Worker>, asked: &Rc<Asked>, model: &Arc<ModelEntry>) {
    for mirror in &model.mirrors {
        let chosen = mirror.weight >= ALL || worker.random.borrow_mut().u32(0..ALL) < mirror.weight;
        // An upload passes through once, so there is nothing to copy; what goes on from a stored answer makes sense only
        // to the upstream that keeps it.
        let Some(via) = mirror.via(asked.operation).filter(|via| chosen && *via != Via::Estimate) else { continue };
        if !matches!(asked.content, Content::Json { previous_response: None, .. }) {
            continue;
        }
        let Some(place) = Place::take(&worker.mirroring) else { return };
        let copy =
            Copy { worker: worker.clone(), asked: asked.clone(), model: model.clone(), mirror: mirror.clone(), via };
        actix_web::rt::spawn(async move {
            copy.send().await;
            drop(place);
        });
    }
}

struct Copy {
    worker: Rc<Worker>,
    asked: Rc<Asked>,
    model: Arc<ModelEntry>,
    mirror: Arc<UpstreamEntry>,
    via: Via,
}

impl Copy {
    async fn send(self) {
        let Some(mut open) = self.admit() else { return };
        open.expect_upstream(&self.mirror);
        // Not on record, not sent; `open` settles itself.
        if open.on_record().await.is_err() {
            return;
        }
        let began = Instant::now();
        let limit = self.mirror.total_timeout;
        let (settlement, status) = match tokio::time::timeout(limit, self.call()).await {
            Ok(Ok(settlement)) => (settlement, 200),
            Ok(Err((code, status))) => (Settlement::unused(code.outcome(), status, code.code()), status),
            Err(_) => (Settlement::unused(LATE.outcome(), 0, LATE.code()), 0),
        };
        open.note_attempt(&Attempted {
            model: self.model.clone(),
            upstream: self.mirror.clone(),
            kind: AttemptKind::Mirror,
            outcome: settlement.outcome,
            status,
            took: began.elapsed(),
        });
        open.settle(&settlement);
    }

    fn admit(&self) -> Option<OpenRequest> {
        let shared = &self.worker.shared;
        let admission = Admission {
            account: Account::Platform,
            model: self.model.clone(),
            catalogue_revision: shared.state.models().revision,
            operation: self.asked.operation,
            stream: self.asked.stream,
            request_id: &self.asked.request_id,
            started: Instant::now(),
            now: shared.clock.now(),
        };
        // A journal that takes no more is told about by the requests themselves.
        OpenRequest::admit(&self.worker.journal, &shared.metrics, &admission).ok()
    }

    /// What the mirror has used; or how it failed, with its status, 0 without any.
    async fn call(&self) -> Result<Settlement, (ApiErrorCode, u16)> {
        let Outgoing { request, .. } = build(&self.asked, &self.mirror, self.via).await.map_err(|_| (FAILED, 0))?;
        let client = self.worker.clients.get(&self.mirror.profile).map_err(|_| (FAILED, 0))?;
        let answered = tokio::time::timeout(self.mirror.first_byte_timeout, client.send(request)).await;
        let response = answered.map_err(|_| (LATE, 0))?.map_err(|_| (FAILED, 0))?;
        let status = response.status().as_u16();
        if !response.status().is_success() {
            return Err((FAILED, status));
        }
        let peppers = self.worker.peppers.clone();
        let languages = Languages { asked: &self.asked, upstream: self.mirror.id, via: self.via, peppers };
        let form = Form::of(response.headers());
        let is_text = raw::is_text(response.headers());
        if form == Form::Events && (self.asked.stream || self.asked.api == Api::Plain) {
            return Ok(self.read_stream(response.into_body(), languages.filter()).await);
        }
        let limit = self.worker.shared.settings.max_answer_bytes;
        let collected = answer::collect(response.into_body(), limit, self.mirror.total_timeout).await;
        let body = collected.map_err(|(refusal, _)| (refusal.code, status))?;
        if form == Form::Bytes && self.asked.api == Api::Plain {
            let input = self.asked.estimated_input();
            let tokens = raw::estimated(input, body.len() as u64, is_text);
            return Ok(succeeded(status, tokens, UsageQuality::Estimated));
        }
        let (answer, _) = languages.answer(&body).map_err(|_| (FAILED, status))?;
        if answer.error.is_some() {
            return Err((FAILED, status));
        }
        let (tokens, quality) = answer::used(&answer, &self.asked);
        Ok(succeeded(status, tokens, quality))
    }

    async fn read_stream(&self, mut body: hyper::body::Incoming, mut filter: Box<dyn StreamFilter>) -> Settlement {
        let mut unsent: Vec<Bytes> = Vec::new();
        while let Ok(Some(Ok(frame))) = tokio::time::timeout(self.mirror.gap_timeout, body.frame()).await {
            let Ok(data) = frame.into_data() else { continue };
            if filter.push(data, &mut unsent).is_err() || filter.ended().is_some() {
                break;
            }
            unsent.clear();
        }
        filter.end(&mut unsent);
        let so_far = settlement(filter.report(), &self.asked);
        if filter.report().is_finished() {
            return so_far;
        }
        Settlement { outcome: FAILED.outcome(), code: FAILED.code(), ..so_far }
    }
}

fn succeeded(status: u16, tokens: TokenCounts, quality: UsageQuality) -> Settlement {
    Settlement { outcome: Outcome::Success, status, code: "", tokens, quality }
}

/// One of the copies that may be under way.
struct Place(Rc<Cell<usize>>);

impl Place {
    fn take(taken: &Rc<Cell<usize>>) -> Option<Self> {
        (taken.get() < MOST_COPIES).then(|| {
            taken.set(taken.get() + 1);
            Self(taken.clone())
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}
