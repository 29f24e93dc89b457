//! A request between its admission and its settlement.
//!
//! Guarantee: an admitted request is settled exactly once. Whoever holds the [`OpenRequest`] settles it; if it is
//! dropped instead, because the client left or a task was cancelled, it settles itself as `client_cancelled` with
//! nothing used. If the process dies, the journal still has the `ADMIT`.

use std::{cell::RefCell, rc::Rc, sync::Arc, task::Poll, time::Instant};

use bytes::Bytes;
use maas_events::{
    usage::{Attempt, UsageEvent},
    validate::{quality_to_wire, tokens_to_wire},
};
use maas_journal::{Flush, JournalError, WorkerJournal};
use maas_llm::api::Api;
use maas_types::{EventId, Nanos, Operation, Outcome, Timestamp, TokenCounts, UsageQuality, pricing::MAX_EVENT_COST};
use prost::Message as _;
use uuid::Uuid;

use super::{account::Account, on_disk::Confirming};
use crate::{
    metrics::{Ended, ProxyMetrics},
    request::Attempted,
    state::{ModelEntry, UpstreamEntry, model::Price},
};

// Texts of an event have limits, so that a record never exceeds what the journal takes: it could not be settled.
const MOST_ATTEMPTS: usize = 6;
const MOST_MODEL_BYTES: usize = 1_024;
pub(super) const MOST_NAME_BYTES: usize = 128;
const MOST_ATTEMPT_NAME_BYTES: usize = 64;

/// What is known of a request when it is let in.
pub struct Admission<'a> {
    pub account: Account<'a>,
    pub model: Arc<ModelEntry>,
    pub catalogue_revision: u64,
    pub operation: Operation,
    pub stream: bool,
    pub request_id: &'a str,
    /// When the request's headers were read.
    pub started: Instant,
    pub now: Timestamp,
}

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub struct Settlement {
    pub outcome: Outcome,
    /// The HTTP status that the client got; 0 if it left before.
    pub status: u16,
    /// The error code of the answer; empty on success.
    pub code: &'static str,
    pub tokens: TokenCounts,
    pub quality: UsageQuality,
}

impl Settlement {
    /// Ended without anything having been used.
    pub const fn unused(outcome: Outcome, status: u16, code: &'static str) -> Self {
        let tokens = TokenCounts {
            input: 0,
            cached_input: 0,
            cache_write_input: 0,
            audio_input: 0,
            output: 0,
            reasoning_output: 0,
            audio_output: 0,
            images: 0,
        };
        Self { outcome, status, code, tokens, quality: UsageQuality::None }
    }
}

/// The journal of this worker thread.
pub type SharedJournal = Rc<RefCell<WorkerJournal>>;

/// Writes what waits in the journal after the other tasks that are ready now have added theirs: requests that come or end
/// together share a write.
async fn flush_with_others(journal: &SharedJournal) -> Result<(), JournalError> {
    let mut gave_way = false;
    std::future::poll_fn(|context| match std::mem::replace(&mut gave_way, true) {
        true => Poll::Ready(()),
        false => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
    // Whoever comes first writes for all.
    journal.borrow_mut().flush()
}

pub struct OpenRequest {
    journal: SharedJournal,
    metrics: Arc<ProxyMetrics>,
    model: Arc<ModelEntry>,
    price: Option<Price>,
    event_id: EventId,
    event: Box<UsageEvent>,
    operation: Operation,
    started: Instant,
    first_byte: Option<Instant>,
    first_token: Option<Instant>,
    /// Whether it counts among the clients' requests.
    is_clients: bool,
    settled: bool,
    confirming: Rc<Confirming>,
}

impl OpenRequest {
    /// Notes the admission. The upstream may be called once [`Self::on_record`] returns.
    pub fn admit(
        journal: &SharedJournal,
        metrics: &Arc<ProxyMetrics>,
        admission: &Admission<'_>,
    ) -> Result<Self, JournalError> {
        let event_id = EventId::new_at(admission.now);
        let price = admission.model.price_at(admission.now).copied();
        let event = Box::new(event_at_admission(event_id, admission, price.as_ref()));
        journal.borrow_mut().admit(event_id, &event.encode_to_vec(), Flush::Later)?;
        let confirming = Rc::new(Confirming::new(journal, Api::of(admission.operation), admission.request_id));
        let is_clients = matches!(admission.account, Account::Caller { .. });
        if is_clients {
            admission.model.metrics.in_flight[usize::from(admission.stream)].inc();
        }
        Ok(Self {
            journal: journal.clone(),
            metrics: metrics.clone(),
            model: admission.model.clone(),
            price,
            event_id,
            event,
            operation: admission.operation,
            started: admission.started,
            first_byte: None,
            first_token: None,
            is_clients,
            settled: false,
            confirming,
        })
    }

    /// Waits until the admission is in the journal's file.
    pub async fn on_record(&self) -> Result<(), JournalError> {
        flush_with_others(&self.journal).await?;
        self.confirming.note_admitted();
        Ok(())
    }

    /// What the client's answer has to wait for, see [`super::on_disk::hold_back`].
    pub fn confirming(&self) -> Rc<Confirming> {
        self.confirming.clone()
    }

    pub fn request_id(&self) -> &str {
        &self.event.request_id
    }

    /// Notes where the request will go first, should it end before an attempt is over.
    pub fn expect_upstream(&mut self, upstream: &UpstreamEntry) {
        self.event.upstream_id = Bytes::copy_from_slice(upstream.id.uuid().as_bytes());
        self.event.upstream = bounded(&upstream.name, MOST_NAME_BYTES);
        self.event.provider = bounded(&upstream.provider, MOST_NAME_BYTES);
    }

    /// Notes an attempt that has its answer's head, or that failed.
    pub fn note_attempt(&mut self, attempt: &Attempted) {
        self.metrics
            .attempt(&attempt.model.metrics, &attempt.upstream.name, attempt.kind.as_str(), attempt.outcome)
            .inc();
        self.expect_upstream(&attempt.upstream);
        // The one that has answered is the last.
        self.event.attempts.truncate(MOST_ATTEMPTS - 1);
        self.event.attempts.push(Attempt {
            upstream_id: self.event.upstream_id.clone(),
            upstream: bounded(&attempt.upstream.name, MOST_ATTEMPT_NAME_BYTES),
            kind: attempt.kind.as_str().to_owned(),
            outcome: attempt.outcome.as_str().to_owned(),
            status: u32::from(attempt.status),
            duration_ms: u64::try_from(attempt.took.as_millis()).unwrap_or(u64::MAX),
        });
    }

    /// Another model answers than the one that was asked for: its usage is booked under its own name and its price at
    /// admission.
    pub fn served_by(&mut self, model: &Arc<ModelEntry>) {
        if model.id == self.model.id {
            return;
        }
        if self.is_clients {
            let stream = usize::from(self.event.stream);
            self.model.metrics.in_flight[stream].dec();
            model.metrics.in_flight[stream].inc();
        }
        self.model = model.clone();
        self.price = model.price_at(self.event_id.created_at()).copied();
        name_model(&mut self.event, model, self.price.as_ref());
    }

    pub fn note_upstream_request_id(&mut self, id: &str) {
        self.event.upstream_request_id = bounded(id, MOST_NAME_BYTES);
    }

    /// Notes the first bytes of the answer; later calls change nothing.
    pub fn note_first_byte(&mut self) {
        self.first_byte.get_or_insert_with(Instant::now);
    }

    /// Notes the first token of a stream; later calls change nothing.
    pub fn note_first_token(&mut self) {
        self.first_token.get_or_insert_with(Instant::now);
    }

    /// Puts what was used so far on record, so that a crash bills it. A stream of which that fails for long is ended
    /// ([`super::on_disk`]).
    pub fn progress(&self, tokens: &TokenCounts, quality: UsageQuality) {
        let so_far = UsageEvent {
            tokens: Some(tokens_to_wire(tokens)),
            quality: quality_to_wire(quality).into(),
            cost_nanos: self.cost(tokens).0,
            ..Default::default()
        };
        let noted = {
            let mut journal = self.journal.borrow_mut();
            journal.progress(self.event_id, &so_far.encode_to_vec()).and_then(|()| journal.flush())
        };
        self.confirming.note_progress();
        if let Err(error) = noted {
            tracing::warn!(error = %error, "progress of a stream is not in the journal");
        }
    }

    /// What the tokens cost under the price at admission.
    pub fn cost(&self, tokens: &TokenCounts) -> Nanos {
        let Some(price) = &self.price else { return Nanos(0) };
        price.rates.cost(tokens, 0).unwrap_or_else(|error| {
            tracing::error!(event.id = %self.event_id, error = %error, "the cost of a request is capped");
            Nanos(MAX_EVENT_COST)
        })
    }

    /// Ends the request. Its usage is on record once this returns, or the end of its answer is held back until it is.
    /// Gives the cost.
    pub fn settle(mut self, settlement: &Settlement) -> Nanos {
        let cost = self.settle_once(settlement, Flush::Now);
        self.confirming.note_settled();
        cost
    }

    /// The same together with what else ends in this turn of the thread, in one write.
    pub async fn settle_with_others(mut self, settlement: &Settlement) -> Nanos {
        let cost = self.settle_once(settlement, Flush::Later);
        if let Err(error) = flush_with_others(&self.journal).await {
            tracing::error!(event.id = %self.event_id, error = %error, "a settlement could not be written yet");
        }
        self.confirming.note_settled();
        cost
    }

    fn settle_once(&mut self, settlement: &Settlement, flush: Flush) -> Nanos {
        self.settled = true;
        let settlement = &self.confirming.settlement(settlement);
        let cost = self.cost(&settlement.tokens);
        self.complete_event(settlement, cost);
        let mut settled = self.append_settlement(flush);
        if let Err(JournalError::RecordTooLarge { length }) = &settled {
            // Everything that varies in size is bounded at admission; should a bound be wrong, the tokens still count.
            tracing::error!(event.id = %self.event_id, length, "a usage event is stored without labels and attempts");
            self.event.labels.clear();
            self.event.attempts.clear();
            settled = self.append_settlement(flush);
        }
        if let Err(error) = settled {
            // Kept in memory and written by the next flush that succeeds; admission has stopped meanwhile.
            tracing::error!(event.id = %self.event_id, error = %error, "a settlement could not be written yet");
        }
        self.count(settlement);
        cost
    }

    fn append_settlement(&mut self, flush: Flush) -> Result<u64, JournalError> {
        let event = &mut self.event;
        let encode = |sequence| {
            event.sequence = sequence;
            event.encode_to_vec()
        };
        self.journal.borrow_mut().settle(self.event_id, encode, flush)
    }

    fn complete_event(&mut self, settlement: &Settlement, cost: Nanos) {
        let event = &mut self.event;
        let since_start = |at: Instant| u64::try_from((at - self.started).as_micros()).unwrap_or(u64::MAX);
        event.first_byte_us = self.first_token.or(self.first_byte).map(since_start);
        event.completed_us = Some(since_start(Instant::now()));
        event.tokens = Some(tokens_to_wire(&settlement.tokens));
        event.quality = quality_to_wire(settlement.quality).into();
        event.outcome = settlement.outcome.as_str().to_owned();
        event.status = u32::from(settlement.status);
        event.error_code = settlement.code.to_owned();
        event.cost_nanos = cost.0;
    }

    fn count(&self, settlement: &Settlement) {
        if !self.is_clients {
            return;
        }
        self.model.metrics.in_flight[usize::from(self.event.stream)].dec();
        let ended = Ended {
            operation: self.operation,
            stream: self.event.stream,
            outcome: settlement.outcome,
            code: settlement.code,
            quality: settlement.quality,
            tokens: settlement.tokens,
            duration: self.started.elapsed(),
            first_token: self.first_token.map(|at| at - self.started),
            priced: self.price.is_some(),
        };
        self.metrics.settled(&self.model.metrics, &ended);
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        if !self.settled {
            self.settle_once(&Settlement::unused(Outcome::ClientCancelled, 0, "client_cancelled"), Flush::Now);
        }
    }
}

/// The event as far as it is known at admission. Should the process die, it is settled as it stands here.
fn event_at_admission(event_id: EventId, admission: &Admission<'_>, price: Option<&Price>) -> UsageEvent {
    let mut event = UsageEvent {
        id: bytes(event_id.uuid()),
        catalogue_revision: admission.catalogue_revision,
        operation: admission.operation.as_str().to_owned(),
        stream: admission.stream,
        admitted_at_ms: event_id.created_at().unix_ms(),
        quality: quality_to_wire(UsageQuality::None).into(),
        outcome: Outcome::Interrupted.as_str().to_owned(),
        error_code: Outcome::Interrupted.as_str().to_owned(),
        request_id: admission.request_id.to_owned(),
        ..Default::default()
    };
    name_model(&mut event, &admission.model, price);
    admission.account.name_in(&mut event);
    event
}

fn name_model(event: &mut UsageEvent, model: &ModelEntry, price: Option<&Price>) {
    event.model_id = bytes(model.id.uuid());
    event.model = bounded(&model.name, MOST_MODEL_BYTES);
    event.price_id = price.map(|price| bytes(price.id.uuid())).unwrap_or_default();
    event.currency = price.map(|price| price.currency).unwrap_or_default().to_string();
}

fn bytes(uuid: Uuid) -> Bytes {
    Bytes::copy_from_slice(uuid.as_bytes())
}

pub(super) fn bounded(text: &str, most_bytes: usize) -> String {
    text[..text.floor_char_boundary(most_bytes)].to_owned()
}
