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
    stream::{
        ChatStreamFilter, DONE_FRAME, FilterSettings, PING_FRAME, StreamEnd, StreamReport, error_frame, estimate_tokens,
    },
};
use maas_types::{Outcome, UsageQuality};
use tokio::time::Sleep;

use super::{Asked, is_event_stream, leftover::Leftover, milliseconds, overhead, upstream_error};
use crate::{
    metering::{OpenRequest, Settlement},
    refusal::Refusal,
    request::{Reply, Sent},
    worker::{InProgress, Worker},
};

/// How many bytes may wait for company; far below what a client's socket takes at once.
const MOST_GATHERED: usize = 16 * 1024;
/// How often a stream's use so far is put on record.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
pub(super) type Sending = Pin<Box<dyn Future<Output = Sent>>>;
type ReadingError = Pin<Box<dyn Future<Output = Refusal>>>;

/// The answer to a request whose upstream streams.
pub(super) fn begin(
    worker: &Rc<Worker>,
    open: OpenRequest,
    asked: Asked,
    reply: Reply,
    in_progress: InProgress,
) -> HttpResponse {
    let overhead = overhead(&asked, reply.sent, reply.head_received);
    worker.shared.metrics.overhead_total.observe(overhead.as_secs_f64());
    let mut response = head(&open);
    response.insert_header(("x-maas-overhead-ms", milliseconds(overhead)));
    let times = Times::of(&reply);
    let phase = Phase::Relaying(reply.response.into_body());
    response.body(StreamBody::new(worker, open, asked, phase, times, in_progress))
}

/// The answer to a request whose upstream has not said anything yet: pings until it does.
pub(super) fn begin_waiting(
    worker: &Rc<Worker>,
    open: OpenRequest,
    asked: Asked,
    sending: Sending,
    in_progress: InProgress,
) -> HttpResponse {
    let mut response = head(&open);
    let mut body = StreamBody::new(worker, open, asked, Phase::Sending(sending), Times::UNKNOWN, in_progress);
    body.out.push(PING_FRAME);
    response.body(body)
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
    ReadingError(ReadingError),
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

    fn left(&self, now: Instant) -> Duration {
        self.deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(now))
    }
}

struct StreamBody {
    worker: Rc<Worker>,
    phase: Phase,
    filter: Box<ChatStreamFilter>,
    /// What goes to the client next.
    out: Vec<Bytes>,
    /// `None` once settled.
    open: Option<OpenRequest>,
    request_id: String,
    request_bytes: usize,
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
    fn new(
        worker: &Rc<Worker>,
        open: OpenRequest,
        asked: Asked,
        phase: Phase,
        times: Times,
        in_progress: InProgress,
    ) -> Self {
        let now = Instant::now();
        let ping = worker.shared.settings.ping_interval.get();
        let request_id = open.request_id().to_owned();
        let settings = FilterSettings::new(asked.model, asked.include_usage, request_id.clone());
        Self {
            worker: worker.clone(),
            phase,
            filter: Box::new(ChatStreamFilter::new(settings)),
            out: Vec::with_capacity(4),
            open: Some(open),
            request_id,
            request_bytes: asked.request_bytes,
            first_token_noted: false,
            gave_way: false,
            times,
            ping,
            timer: Box::pin(tokio::time::sleep(ping.min(times.gap).min(times.left(now)))),
            last_received: now,
            last_sent: now,
            last_progress: now,
            _in_progress: in_progress,
        }
    }

    /// One step: true if something changed, false if everything waits.
    fn advance(&mut self, context: &mut Context<'_>) -> bool {
        match &mut self.phase {
            Phase::Done => return false,
            Phase::Sending(sending) => match sending.as_mut().poll(context) {
                Poll::Ready(sent) => self.head_arrived(sent),
                Poll::Pending => return false,
            },
            Phase::ReadingError(reading) => match reading.as_mut().poll(context) {
                Poll::Ready(refusal) => self.fail(&refusal),
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
            Err(refusal) => self.fail(&refusal),
            Ok(reply) if !reply.response.status().is_success() => {
                self.phase = Phase::ReadingError(Box::pin(upstream_error::read(reply)));
            }
            Ok(reply) if !is_event_stream(&reply) => self.fail(&ApiErrorCode::UpstreamError.into()),
            Ok(reply) => {
                self.times = Times::of(&reply);
                self.phase = Phase::Relaying(reply.response.into_body());
                // It was armed for the wait; the upstream's own times may be shorter.
                self.arm_timer();
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
            tracing::warn!(request.id = self.request_id, error = %fault, "an upstream's stream cannot be used");
            self.fail(&ApiErrorCode::UpstreamError.into());
        } else if let Some(end) = self.filter.ended() {
            self.finished(end);
        } else if self.last_received - self.last_progress >= PROGRESS_EVERY
            && let Some(open) = &self.open
        {
            self.last_progress = self.last_received;
            let so_far = settlement(self.filter.report(), self.request_bytes);
            open.progress(&so_far.tokens, so_far.quality);
        }
    }

    fn upstream_ended(&mut self, error: Option<UpstreamError>) {
        match self.filter.end(&mut self.out) {
            StreamEnd::Cut => {
                let cause = error.map_or_else(|| "it ended in the middle".to_owned(), |error| error.to_string());
                tracing::warn!(request.id = self.request_id, error = cause, "an upstream's stream was cut");
                self.fail(&Refusal::with_message(
                    ApiErrorCode::UpstreamError,
                    "The model's answer was cut off by its server.",
                ));
            }
            end => self.finished(end),
        }
        self.phase = Phase::Done;
    }

    fn upstream_late(&mut self) {
        if self.filter.report().is_finished() {
            // All was said; only the end is missing.
            self.upstream_ended(None);
        } else {
            self.fail(&ApiErrorCode::UpstreamTimeout.into());
        }
    }

    /// The terminal frame is in `out`: on record first, then to the client.
    fn finished(&mut self, end: StreamEnd) {
        let mut settlement = settlement(self.filter.report(), self.request_bytes);
        if end != StreamEnd::Complete {
            settlement.outcome = Outcome::UpstreamError;
            settlement.code = ApiErrorCode::UpstreamError.code();
        }
        self.settle(&settlement);
        self.phase = match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::Relaying(upstream) => Phase::Closing(upstream),
            _ => Phase::Done,
        };
    }

    /// Ends the stream with an error frame; the status went out long ago.
    fn fail(&mut self, refusal: &Refusal) {
        self.out.push(error_frame(refusal.code, refusal.message.as_deref(), &self.request_id));
        self.out.push(DONE_FRAME);
        let so_far = settlement(self.filter.report(), self.request_bytes);
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
            self.out.push(PING_FRAME);
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
        if let (Phase::Relaying(_), true, false) =
            (&self.phase, report.finish_reason().is_some(), report.usage.is_reported())
        {
            let fresh = FilterSettings::new(String::new(), false, String::new());
            let filter = std::mem::replace(&mut self.filter, Box::new(ChatStreamFilter::new(fresh)));
            if let Phase::Relaying(upstream) = std::mem::replace(&mut self.phase, Phase::Done) {
                let request_bytes = self.request_bytes;
                self.worker.leftovers.hand_over(Leftover::Usage {
                    upstream,
                    filter,
                    open: Box::new(open),
                    request_bytes,
                });
            }
            return;
        }
        open.settle(&settlement(report, self.request_bytes));
    }
}

/// How a stream stands: success if it was finished, else the client left it.
pub(super) fn settlement(report: &StreamReport, request_bytes: usize) -> Settlement {
    let quality = report.quality();
    let mut tokens = report.counts();
    if quality == UsageQuality::Estimated {
        tokens.input = estimate_tokens(request_bytes as u64);
    }
    let (outcome, code) =
        if report.is_finished() { (Outcome::Success, "") } else { (Outcome::ClientCancelled, "client_cancelled") };
    Settlement { outcome, status: 200, code, tokens, quality }
}
