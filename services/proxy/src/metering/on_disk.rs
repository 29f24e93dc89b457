//! Durability `host`: what the client gets waits until the usage that it stands for is on disk.
//!
//! Order: the upstream is called once the `ADMIT` is written; the head of the answer, and with it its first byte, waits
//! for the `ADMIT` to be synced; its last bytes wait for the `SETTLE`. The syncs overlap with what the upstream takes
//! anyway. With durability `process` nothing here is ever made.
//!
//! What happens at each failure:
//! - the `ADMIT` cannot be synced, or not in time: the client gets `metering_unavailable` instead of the answer, the
//!   upstream is let go, and the request ends as one that its client has left, with what was used;
//! - the `SETTLE` cannot be synced, or not in time: the client gets the rest of its answer all the same. The record is in
//!   memory and in a file, and is written and synced again; nothing is admitted until that works.

use std::{
    cell::Cell,
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
use tokio::time::{Timeout, timeout};

/// How long a client waits for the disk.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is to be on disk of one request.
#[derive(Default)]
pub struct Confirming {
    admitted: Cell<Option<Confirmation>>,
    settled: Cell<Option<Confirmation>>,
}

impl Confirming {
    pub fn note_admitted(&self, confirmation: Option<Confirmation>) {
        self.admitted.set(confirmation);
    }

    pub fn note_settled(&self, confirmation: Option<Confirmation>) {
        self.settled.set(confirmation);
    }
}

/// Gives the answer when its request is on disk; what then follows of it is held back at the end.
pub async fn hold_back(confirming: Rc<Confirming>, response: HttpResponse) -> Result<HttpResponse, JournalError> {
    if let Some(admitted) = confirming.admitted.take() {
        timeout(PATIENCE, admitted).await.unwrap_or(Err(JournalError::NotSynced))?;
    }
    Ok(response.map_body(|_, body| BoxBody::new(HeldBody { body, confirming, held: None })))
}

struct HeldBody {
    body: BoxBody,
    confirming: Rc<Confirming>,
    held: Option<Held>,
}

struct Held {
    settled: Pin<Box<Timeout<Confirmation>>>,
    /// What goes out afterwards; `None`: the end.
    piece: Option<Bytes>,
}

impl MessageBody for HeldBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        if this.held.is_none() {
            let piece = match ready!(Pin::new(&mut this.body).poll_next(context)) {
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                piece => piece.transpose()?,
            };
            // Settled with this piece, or before it.
            match this.confirming.settled.take() {
                Some(settled) => this.held = Some(Held { settled: Box::pin(timeout(PATIENCE, settled)), piece }),
                None => return Poll::Ready(piece.map(Ok)),
            }
        }
        let Some(held) = &mut this.held else { return Poll::Ready(None) };
        if !matches!(ready!(held.settled.as_mut().poll(context)), Ok(Ok(()))) {
            tracing::error!("a settlement is not on disk yet, and its client has the answer");
        }
        Poll::Ready(this.held.take().and_then(|held| held.piece).map(Ok))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::RefCell;

    use maas_journal::{Durability, Flush, Journal, JournalOptions, WorkerJournal};
    use maas_types::{EventId, Timestamp};

    use super::*;

    /// Settles with its second piece.
    struct SettlingBody {
        journal: Rc<RefCell<WorkerJournal>>,
        confirming: Rc<Confirming>,
        event_id: EventId,
        pieces: Vec<&'static str>,
    }

    impl MessageBody for SettlingBody {
        type Error = std::convert::Infallible;

        fn size(&self) -> BodySize {
            BodySize::Stream
        }

        fn poll_next(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Bytes, std::convert::Infallible>>> {
            let piece = self.pieces.pop();
            if piece == Some("last") {
                let mut journal = self.journal.borrow_mut();
                journal.settle(self.event_id, |_| "usage", Flush::Now).unwrap();
                self.confirming.note_settled(journal.confirmation());
            }
            Poll::Ready(piece.map(|piece| Ok(Bytes::from_static(piece.as_bytes()))))
        }
    }

    #[tokio::test]
    async fn the_last_piece_goes_out_when_its_usage_is_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let options = JournalOptions { durability: Durability::Host, ..JournalOptions::default() };
        let (journal, _) = Journal::open(folder.path(), options).unwrap();
        for _ in 0..20 {
            let worker = Rc::new(RefCell::new(journal.worker(journal.sources().len() as u32).unwrap()));
            let source = worker.borrow().source_id();
            let event_id = EventId::new_at(Timestamp::from_unix_ms(1));
            let confirming = Rc::new(Confirming::default());
            worker.borrow_mut().admit(event_id, b"", Flush::Now).unwrap();
            confirming.note_admitted(worker.borrow().confirmation());
            let pieces = vec!["last", "first"];
            let body = SettlingBody { journal: worker.clone(), confirming: confirming.clone(), event_id, pieces };
            let held = hold_back(confirming, HttpResponse::Ok().message_body(body).unwrap().map_into_boxed_body());
            let mut body = held.await.unwrap().into_body();
            let mut next = async || std::future::poll_fn(|context| Pin::new(&mut body).poll_next(context)).await;
            assert_eq!(next().await.unwrap().unwrap(), "first");
            assert_eq!(journal.status(source).unwrap().last_sequence, 0, "not settled yet");
            assert_eq!(next().await.unwrap().unwrap(), "last");
            assert_eq!(journal.status(source).unwrap().last_sequence, 1, "only what is synced is shipped");
            assert!(next().await.is_none());
        }
    }
}
