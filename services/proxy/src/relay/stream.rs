//! Streamed answers: a body that reads the upstream, filters, keeps the connection alive, and settles.
//!
//! Order: the settlement is in the journal before the terminal frame is given to the client. If the client leaves, the
//! body is dropped: the connection upstream closes with it, and what was relayed is settled.

use std::{
    convert::Infallible,
    future::Future as _,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use actix_web::{
    HttpResponse,
    body::{BodySize, MessageBody},
};
use bytes::{Bytes, BytesMut};
use hyper::body::{Body as _, Incoming};
use maas_http::UpstreamError;
use maas_llm::{
    error::ApiErrorCode,
    stream::{FilterSettings, StreamEnd, StreamFilter, StreamReport, stream_filter},
};
use maas_types::{Outcome, UsageQuality};
use tokio::time::Sleep;

use super::{
    Form, Languages,
    leftover::{Grace, Leftover},
    milliseconds, overhead, upstream_error,
};
use crate::{
    metering::{OpenRequest, Settlement},
    refusal::Refusal,
    request::{Asked, Reply, Sent},
    routing::{Attempt, FailureClass},
    worker::{InProgress, Worker},
};

/// How many bytes may wait for company; far below what a client's socket takes at once.
const MOST_GATHERED: usize = 16 * 1024;
/// How often a stream's use so far is put on record.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
pub(super) type Sending = Pin<Box<dyn Future<Output = Sent>>>;

/// The answer to a request whose upstream streams.
pub(super) fn begin(
    worker: &Rc<Worker>,
    open: OpenRequest,
    asked: Rc<Asked>,
    reply: Reply,
    in_progress: InProgress,
) -> HttpResponse {
    let overhead = overhead(&asked, reply.sent, reply.head_received);
    worker.shared.metrics.overhead_total.observe(overhead.as_secs_f64());
    let mut response = head(&open);
    response.insert_header(("x-maas-overhead-ms", milliseconds(overhead)));
    let filter = filter_of(worker, &asked, &reply);
    let mut body = StreamBody::new(worker, open, asked, filter, in_progress);
    body.relay(reply);
    response.body(body)
}

/// The answer to a request whose upstream has not said anything yet: pings until it does.
pub(super) fn begin_waiting(
    worker: &Rc<Worker>,
    open: OpenRequest,
    asked: Rc<Asked>,
    sending: Sending,
    in_progress: InProgress,
) -> HttpResponse {
    let mut response = head(&open);
    // Until an upstream has answered: what has to be said before that is said in the client's language.
    let settings = FilterSettings::new(asked.model.clone(), asked.include_usage, asked.request_id.clone());
    let filter = stream_filter(asked.api, settings);
    let mut body = StreamBody::new(worker, open, asked, filter, in_progress);
    body.phase = Phase::Sending(sending);
    body.ping();
    response.body(body)
}

fn filter_of(worker: &Worker, asked: &Asked, reply: &Reply) -> Box<dyn StreamFilter> {
    let peppers = worker.peppers.clone();
    Languages { asked, upstream: reply.upstream.id, via: reply.via, peppers }.filter()
}

fn head(open: &OpenRequest) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .content_type("text/event-stream; charset=utf-8")
        .insert_header(("cache-control", "no-cache"))
        .insert_header(("x-accel-buffering", "no"))
        .insert_header(("x-request-id", open.request_id()));
    response
}

enum Phase {
    Sending(Sending),
    Relaying(Incoming),
    /// Settled; the end of the upstream's body is awaited so that the connection can be used again.
    Closing(Incoming),
    Done,
}

/// How long a stream may take.
#[derive(Clone, Copy)]
struct Times {
    gap: Duration,
    /// `None`: it has not begun, and the sending itself has the upstream's limits.
    deadline: Option<Instant>,
}

impl Times {
    const UNKNOWN: Self = Self { gap: Duration::from_secs(120), deadline: None };

    fn of(reply: &Reply) -> Self {
        Self { gap: reply.upstream.gap_timeout, deadline: reply.sent.checked_add(reply.upstream.total_timeout) }
    }
}

struct StreamBody {
    worker: Rc<Worker>,
    asked: Rc<Asked>,
    phase: Phase,
    /// Until an upstream has answered, one that says errors in the client's language.
    filter: Box<dyn StreamFilter>,
    /// The call that is relayed; `None` before there is one, and when it was handed over.
    attempt: Option<Attempt>,
    /// What goes to the client next.
    out: Vec<Bytes>,
    /// `None` once settled.
    open: Option<OpenRequest>,
    first_token_noted: bool,
    /// A turn was given away since the last frame came.
    gave_way: bool,
    times: Times,
    ping: Duration,
    timer: Pin<Box<Sleep>>,
    last_received: Instant,
    last_sent: Instant,
    last_progress: Instant,
    _in_progress: InProgress,
}

impl StreamBody {
    /// A body that waits for nothing yet.
    fn new(
        worker: &Rc<Worker>,
        open: OpenRequest,
        asked: Rc<Asked>,
        filter: Box<dyn StreamFilter>,
        in_progress: InProgress,
    ) -> Self {
        let now = Instant::now();
        let ping = worker.shared.settings.ping_interval.get();
        Self {
            worker: worker.clone(),
            filter,
            asked,
            phase: Phase::Done,
            attempt: None,
            out: Vec::with_capacity(4),
            open: Some(open),
            first_token_noted: false,
            gave_way: false,
            times: Times::UNKNOWN,
            ping,
            timer: Box::pin(tokio::time::sleep(ping)),
            last_received: now,
            last_sent: now,
            last_progress: now,
            _in_progress: in_progress,
        }
    }

    /// From here on the upstream's answer is the client's.
    fn relay(&mut self, reply: Reply) {
        self.times = Times::of(&reply);
        self.attempt = Some(reply.attempt);
        self.phase = Phase::Relaying(reply.response.into_body());
        // It was armed for the wait; the upstream's own times may be shorter.
        self.arm_timer();
    }

    fn ping(&mut self) {
        self.out.push(self.filter.ping());
    }

    /// One step: true if something changed, false if everything waits.
    fn advance(&mut self, context: &mut Context<'_>) -> bool {
        match &mut self.phase {
            Phase::Done => return false,
            Phase::Sending(sending) => match sending.as_mut().poll(context) {
                Poll::Ready(sent) => self.head_arrived(sent),
                Poll::Pending => return false,
            },
            Phase::Relaying(upstream) => match Pin::new(upstream).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.data_arrived(data);
                    }
                }
                Poll::Ready(Some(Err(error))) => self.upstream_ended(Some(UpstreamError::from_body(error))),
                Poll::Ready(None) => self.upstream_ended(None),
                Poll::Pending => return false,
            },
            Phase::Closing(upstream) => match Pin::new(upstream).poll_frame(context) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => self.phase = Phase::Done,
                // The client has its whole answer and need not wait for the end of the upstream's.
                Poll::Pending => {
                    if let Phase::Closing(upstream) = std::mem::replace(&mut self.phase, Phase::Done) {
                        self.worker.leftovers.hand_over(Leftover::End(upstream));
                    }
                }
            },
        }
        !matches!(self.phase, Phase::Done)
    }

    fn head_arrived(&mut self, sent: Sent) {
        self.last_received = Instant::now();
        if let Some(open) = &mut self.open {
            open.note_attempts(&sent);
        }
        match sent.result {
            Err(refusal) => self.fail(&refusal, None),
            // The status went out long ago, and with it the promise of a stream.
            Ok(mut reply) if Form::of(reply.response.headers()) != Form::Events => {
                reply.attempt.failed(FailureClass::BadAnswer, self.last_received);
                self.fail(&ApiErrorCode::UpstreamError.into(), None);
            }
            Ok(reply) => {
                self.filter = filter_of(&self.worker, &self.asked, &reply);
                self.relay(reply);
            }
        }
    }

    fn data_arrived(&mut self, data: Bytes) {
        self.last_received = Instant::now();
        let pushed = self.filter.push(data, &mut self.out);
        if !self.first_token_noted
            && self.filter.report().content_seen()
            && let Some(open) = &mut self.open
        {
            open.note_first_token();
            self.first_token_noted = true;
        }
        if let Err(fault) = pushed {
            tracing::warn!(request.id = self.asked.request_id, error = %fault, "an upstream's stream cannot be used");
            self.fail(&ApiErrorCode::UpstreamError.into(), Some(FailureClass::BadAnswer));
        } else if let Some(end) = self.filter.ended() {
            self.finished(end);
        } else if self.last_received - self.last_progress >= PROGRESS_EVERY
            && let Some(open) = &self.open
        {
            self.last_progress = self.last_received;
            let so_far = settlement(self.filter.report(), &self.asked);
            open.progress(&so_far.tokens, so_far.quality);
        }
    }

    fn upstream_ended(&mut self, error: Option<UpstreamError>) {
        // Streams without an end mark look complete wherever they are cut, so an error is believed first.
        let was_finished = self.filter.report().is_finished();
        match self.filter.end(&mut self.out) {
            end if end != StreamEnd::Cut && (error.is_none() || was_finished) => self.finished(end),
            _ => {
                let cause = error.map_or_else(|| "it ended in the middle".to_owned(), |error| error.to_string());
                tracing::warn!(request.id = self.asked.request_id, error = cause, "an upstream's stream was cut");
                let message = "The model's answer was cut off by its server.";
                let refusal = Refusal::with_message(ApiErrorCode::UpstreamError, message);
                self.fail(&refusal, Some(FailureClass::Cut));
            }
        }
        self.phase = Phase::Done;
    }

    fn upstream_late(&mut self) {
        if self.filter.report().is_finished() {
            // All was said; only the end is missing.
            self.upstream_ended(None);
        } else {
            self.fail(&ApiErrorCode::UpstreamTimeout.into(), Some(FailureClass::Timeout));
        }
    }

    /// The terminal frame is in `out`: on record first, then to the client.
    fn finished(&mut self, end: StreamEnd) {
        let mut settlement = settlement(self.filter.report(), &self.asked);
        let fault = (end != StreamEnd::Complete).then(|| {
            let error = self.filter.report().upstream_error.clone();
            upstream_error::under_success(error.unwrap_or_default())
        });
        if let Some((refusal, _)) = &fault {
            settlement.outcome = refusal.code.outcome();
            settlement.code = refusal.code.code();
        }
        if let Some(attempt) = &mut self.attempt {
            match fault {
                None => attempt.succeeded(self.last_received),
                Some((_, class)) => attempt.failed(class, self.last_received),
            }
        }
        self.settle(&settlement);
        self.phase = match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::Relaying(upstream) => Phase::Closing(upstream),
            _ => Phase::Done,
        };
    }

    /// Ends the stream with an error in the client's language; the status went out long ago. `class`: what the call that
    /// is relayed has done wrong.
    fn fail(&mut self, refusal: &Refusal, class: Option<FailureClass>) {
        if let (Some(attempt), Some(class)) = (&mut self.attempt, class) {
            attempt.failed(class, Instant::now());
        }
        let so_far = settlement(self.filter.report(), &self.asked);
        self.filter.fail(refusal.code, refusal.message.as_deref(), &mut self.out);
        let outcome = refusal.code.outcome();
        self.settle(&Settlement { outcome, code: refusal.code.code(), ..so_far });
        self.phase = Phase::Done;
    }

    fn settle(&mut self, settlement: &Settlement) {
        if let Some(open) = self.open.take() {
            open.settle(settlement);
        }
    }

    /// True if the timer fired; it is armed again for the next thing that may be due.
    fn tick(&mut self, context: &mut Context<'_>) -> bool {
        if self.timer.as_mut().poll(context).is_pending() {
            return false;
        }
        let now = Instant::now();
        if self.upstream_due().is_some_and(|due| due <= now) {
            self.upstream_late();
            return true;
        }
        if now - self.last_sent >= self.ping {
            self.ping();
            self.last_sent = now;
        }
        self.arm_timer();
        true
    }

    fn arm_timer(&mut self) {
        let next_ping = self.last_sent + self.ping;
        let next = self.upstream_due().map_or(next_ping, |due| due.min(next_ping));
        self.timer.as_mut().reset(next.into());
    }

    /// When the upstream must have sent more, or all; `None` while it is not its turn.
    fn upstream_due(&self) -> Option<Instant> {
        let Phase::Relaying(_) = self.phase else { return None };
        let more = self.last_received + self.times.gap;
        Some(self.times.deadline.map_or(more, |deadline| deadline.min(more)))
    }

    /// Whether more may join what is ready to go. The upstream's connection hands over one frame for each turn of this
    /// thread's scheduler, so the body gives way for a turn before it sends: a burst leaves in few writes instead of one
    /// for each frame (a write costs more than everything else that is done with a frame).
    fn gathers(&self) -> bool {
        matches!(self.phase, Phase::Relaying(_)) && self.out.iter().map(Bytes::len).sum::<usize>() < MOST_GATHERED
    }

    /// What is ready to go, as one piece: frames that arrive together leave together.
    fn take_out(&mut self) -> Option<Bytes> {
        match self.out.len() {
            0 => None,
            1 => self.out.pop(),
            _ => {
                let mut joined = BytesMut::with_capacity(self.out.iter().map(Bytes::len).sum());
                self.out.drain(..).for_each(|piece| joined.extend_from_slice(&piece));
                Some(joined.freeze())
            }
        }
    }
}

impl MessageBody for StreamBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let this = self.get_mut();
        if this.open.is_some()
            && let Some(lost) = this.asked.call.poll_cut(context)
        {
            // The connection upstream closes with the phase.
            this.fail(&lost.into(), None);
        }
        loop {
            if (this.out.is_empty() || this.gathers()) && this.advance(context) {
                this.gave_way = false;
                continue;
            }
            if !this.out.is_empty() {
                if this.gathers() && !this.gave_way {
                    this.gave_way = true;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                this.gave_way = false;
            }
            if let Some(bytes) = this.take_out() {
                this.last_sent = Instant::now();
                return Poll::Ready(Some(Ok(bytes)));
            }
            if matches!(this.phase, Phase::Done) {
                return Poll::Ready(None);
            }
            ready!(if this.tick(context) { Poll::Ready(()) } else { Poll::Pending });
        }
    }
}

impl Drop for StreamBody {
    /// The client left: before the end, or with all it needs and without waiting for the end of the connection's body.
    fn drop(&mut self) {
        if matches!(self.phase, Phase::Closing(_))
            && let Phase::Closing(upstream) = std::mem::replace(&mut self.phase, Phase::Done)
        {
            self.worker.leftovers.hand_over(Leftover::End(upstream));
        }
        let Some(open) = self.open.take() else { return };
        let report = self.filter.report();
        let usage_may_come = report.finish_reason().is_some() && !report.usage.is_reported();
        let so_far = settlement(report, &self.asked);
        match (std::mem::replace(&mut self.phase, Phase::Done), self.attempt.take()) {
            (Phase::Relaying(upstream), Some(attempt)) if usage_may_come => {
                let settings = FilterSettings::new(String::new(), false, String::new());
                let filter = std::mem::replace(&mut self.filter, stream_filter(self.asked.api, settings));
                let grace = Grace::new(upstream, filter, open, attempt, self.asked.clone());
                self.worker.leftovers.hand_over(Leftover::Usage(Box::new(grace)));
            }
            _ => {
                open.settle(&so_far);
            }
        }
    }
}

/// How a stream stands: success if it was finished, else the client left it.
pub(super) fn settlement(report: &StreamReport, asked: &Asked) -> Settlement {
    let quality = report.quality();
    let mut tokens = report.counts();
    if quality == UsageQuality::Estimated {
        tokens.input = asked.estimated_input();
    }
    let (outcome, code) =
        if report.is_finished() { (Outcome::Success, "") } else { (Outcome::ClientCancelled, "client_cancelled") };
    Settlement { outcome, status: 200, code, tokens, quality }
}
