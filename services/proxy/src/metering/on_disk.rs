//! What the client gets waits until the usage that it stands for is on record: in the journal's file with durability
//! `process`, synced to the disk with `host`.
//!
//! Order: the upstream is called once the `ADMIT` is written; with `host` the head of the answer, and with it its first
//! byte, waits for the `ADMIT` to be synced, which overlaps with what the upstream takes anyway. The last bytes of a
//! stream, and a whole answer with its head, wait for the `SETTLE`.
//!
//! What happens at each failure, each time after [`PATIENCE`]:
//! - the `ADMIT` cannot be synced: the client gets `metering_unavailable` instead of the answer;
//! - the `SETTLE` cannot be put on record: the client gets `metering_unavailable` instead of a whole answer, or instead
//!   of the end of a stream. The journal keeps the settlement in memory and writes it as soon as the disk takes it; if
//!   the process is killed before that, the request is booked with its last `PROGRESS`, and nobody has its end;
//! - the `PROGRESS` of a stream cannot be put on record: the stream ends with `metering_unavailable`, so that never more
//!   than that is given away.
//!
//! Where it was not settled before, the request then ends with what was used up to there and this error.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::{
    HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
};
use bytes::Bytes;
use maas_journal::{Confirmation, JournalError};
use maas_llm::{
    api::Api,
    error::ApiErrorCode,
    stream::{FilterSettings, error_frame, stream_filter},
};
use tokio::time::{Instant, timeout};

use super::open_request::{Settlement, SharedJournal};

/// How long a client waits for the disk.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How often a settlement is looked for that the disk has refused once; the worker writes it again each second.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const UNRECORDED: ApiErrorCode = ApiErrorCode::MeteringUnavailable;

type Recorded = Pin<Box<dyn Future<Output = Result<(), JournalError>>>>;

/// What is to be on record of one request.
pub struct Confirming {
    journal: SharedJournal,
    /// In whose words a stream is told that it ends.
    api: Api,
    request_id: Box<str>,
    admitted: Cell<Option<Confirmation>>,
    /// Whether the request is settled, and what is waited for then.
    is_settled: Cell<bool>,
    settled: RefCell<Option<Recorded>>,
    /// The oldest progress that was not on record when it was last looked at, and its position.
    progress: Cell<Option<(Instant, u64)>>,
    /// The status that the client was told, once its answer was withheld.
    withheld: Cell<Option<u16>>,
}

impl Confirming {
    pub fn new(journal: &SharedJournal, api: Api, request_id: &str) -> Self {
        Self {
            journal: journal.clone(),
            api,
            request_id: request_id.into(),
            admitted: Cell::default(),
            is_settled: Cell::default(),
            settled: RefCell::default(),
            progress: Cell::default(),
            withheld: Cell::default(),
        }
    }

    pub fn note_admitted(&self) {
        self.admitted.set(self.journal.borrow().confirmation());
    }

    /// The settlement is what the journal has accepted last, or was flushed with what came after it.
    pub fn note_settled(&self) {
        self.is_settled.set(true);
        let (position, confirmation) = {
            let journal = self.journal.borrow();
            (journal.position(), journal.confirmation())
        };
        if !self.journal.borrow().is_confirmed(position) {
            *self.settled.borrow_mut() = Some(Box::pin(recorded(self.journal.clone(), position, confirmation)));
        }
    }

    pub fn note_progress(&self) {
        if !self.is_progress_missing() {
            self.progress.set(Some((Instant::now(), self.journal.borrow().position())));
        }
    }

    /// How a request is booked whose client was told that it cannot be.
    pub fn settlement(&self, settlement: &Settlement) -> Settlement {
        match self.withheld.get() {
            None => *settlement,
            Some(status) => {
                Settlement { outcome: UNRECORDED.outcome(), code: UNRECORDED.code(), status, ..*settlement }
            }
        }
    }

    fn is_progress_missing(&self) -> bool {
        self.progress.get().is_some_and(|(_, position)| !self.journal.borrow().is_confirmed(position))
    }

    fn is_progress_overdue(&self) -> bool {
        self.progress.get().is_some_and(|(since, _)| since.elapsed() >= PATIENCE) && self.is_progress_missing()
    }

    fn withhold(&self, status: u16) {
        tracing::error!(request.id = self.request_id, "an answer is withheld: its usage cannot be put on record");
        self.withheld.set(Some(status));
    }

    fn last_frames(&self) -> Bytes {
        // Events of this language belong to a response that only the stream's own filter knows.
        if self.api == Api::Responses {
            return error_frame(UNRECORDED, None, &self.request_id);
        }
        let settings = FilterSettings::new(String::new(), false, self.request_id.to_string());
        let mut frames = Vec::new();
        stream_filter(self.api, settings).fail(UNRECORDED, None, &mut frames);
        frames.concat().into()
    }
}

/// Resolves when everything before the position is on record, or with an error after [`PATIENCE`].
async fn recorded(
    journal: SharedJournal,
    position: u64,
    confirmation: Option<Confirmation>,
) -> Result<(), JournalError> {
    let recorded = async {
        // It fails at the first failed sync; what is then written again is looked for.
        if let Some(confirmation) = confirmation
            && confirmation.await.is_ok()
        {
            return;
        }
        while !journal.borrow().is_confirmed(position) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    timeout(PATIENCE, recorded).await.map_err(|_| JournalError::NotSynced)
}

/// Gives the answer when its request is on record; what then follows of it is held back at the end.
pub async fn hold_back(confirming: Rc<Confirming>, response: HttpResponse) -> Result<HttpResponse, JournalError> {
    let status = UNRECORDED.status();
    if let Some(admitted) = confirming.admitted.take() {
        let admitted = timeout(PATIENCE, admitted).await.unwrap_or(Err(JournalError::NotSynced));
        admitted.inspect_err(|_| confirming.withhold(status))?;
    }
    if !confirming.is_settled.get() {
        let is_events = is_event_stream(&response);
        return Ok(response.map_body(|_, body| BoxBody::new(HeldBody::new(body, confirming, is_events))));
    }
    let settled = confirming.settled.take();
    if let Some(settled) = settled {
        settled.await.inspect_err(|_| confirming.withhold(status))?;
    }
    Ok(response)
}

fn is_event_stream(response: &HttpResponse) -> bool {
    let content_type = response.headers().get(actix_web::http::header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// All that can be told to the client of a body that is no stream of events: its connection breaks off.
#[derive(Debug, thiserror::Error)]
#[error("the usage of the answer cannot be put on record")]
struct Withheld;

struct HeldBody {
    /// `None` once it was withheld.
    body: Option<BoxBody>,
    confirming: Rc<Confirming>,
    is_events: bool,
    held: Option<Held>,
}

struct Held {
    settled: Recorded,
    /// What goes out afterwards; `None`: the end.
    piece: Option<Bytes>,
}

impl HeldBody {
    fn new(body: BoxBody, confirming: Rc<Confirming>, is_events: bool) -> Self {
        Self { body: Some(body), confirming, is_events, held: None }
    }

    /// The client is told that this is the end, and the upstream is let go.
    fn withhold(&mut self) -> Poll<Option<Result<Bytes, Box<dyn std::error::Error>>>> {
        // The status went out long ago.
        self.confirming.withhold(200);
        self.held = None;
        // Settles what is not settled yet.
        self.body = None;
        Poll::Ready(Some(if self.is_events { Ok(self.confirming.last_frames()) } else { Err(Withheld.into()) }))
    }
}

impl MessageBody for HeldBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.as_ref().map_or(BodySize::None, MessageBody::size)
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        if this.held.is_none() {
            let piece = match ready!(Pin::new(body).poll_next(context)) {
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                piece => piece.transpose()?,
            };
            if !this.confirming.is_settled.get() && this.confirming.is_progress_overdue() {
                return this.withhold();
            }
            // Settled with this piece, or before it.
            match this.confirming.settled.take() {
                Some(settled) => this.held = Some(Held { settled, piece }),
                None => return Poll::Ready(piece.map(Ok)),
            }
        }
        let Some(held) = &mut this.held else { return Poll::Ready(None) };
        match ready!(held.settled.as_mut().poll(context)) {
            Ok(()) => Poll::Ready(this.held.take().and_then(|held| held.piece).map(Ok)),
            Err(_) => this.withhold(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "on_disk_tests.rs"]
mod tests;
