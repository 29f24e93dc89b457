use actix_web::http::header;
use maas_journal::{Durability, Flush, Journal, JournalOptions, WorkerJournal};
use maas_types::{EventId, Outcome, Timestamp};
use tempfile::TempDir;

use super::*;

/// A journal of which each flush begins a segment, so that it fails while its folder is away.
struct World {
    folder: TempDir,
    journal: Journal,
    worker: SharedJournal,
    event_id: EventId,
    confirming: Rc<Confirming>,
}

impl World {
    /// With a request that is on record.
    fn new(durability: Durability) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options =
            JournalOptions { durability, segment_bytes: 1, low_water_bytes: 4096, ..JournalOptions::default() };
        let (journal, _) = Journal::open(&folder.path().join("journal"), options).unwrap();
        let worker = Rc::new(RefCell::new(journal.worker(0).unwrap()));
        let event_id = EventId::new_at(Timestamp::from_unix_ms(1));
        worker.borrow_mut().admit(event_id, b"", Flush::Now).unwrap();
        let confirming = Rc::new(Confirming::new(&worker, Api::Chat, "req-1"));
        confirming.note_admitted();
        Self { folder, journal, worker, event_id, confirming }
    }

    fn refuse_writes(&self) {
        std::fs::rename(self.folder.path().join("journal"), self.folder.path().join("away")).unwrap();
    }

    fn allow_writes(&self) {
        std::fs::rename(self.folder.path().join("away"), self.folder.path().join("journal")).unwrap();
        self.worker.borrow_mut().flush().unwrap();
    }

    fn settle(&self) {
        settle(&mut self.worker.borrow_mut(), self.event_id);
        self.confirming.note_settled();
    }

    /// An answer of these pieces, which is settled with "last".
    async fn answer(&self, content_type: &str, pieces: &[&'static str]) -> BoxBody {
        let (worker, confirming) = (self.worker.clone(), self.confirming.clone());
        let pieces = pieces.iter().rev().copied().collect();
        let body = SettlingBody { worker, confirming, event_id: self.event_id, pieces };
        let response =
            HttpResponse::Ok().insert_header((header::CONTENT_TYPE, content_type)).message_body(body).unwrap();
        hold_back(self.confirming.clone(), response.map_into_boxed_body()).await.unwrap().into_body()
    }

    fn last_sequence(&self) -> u64 {
        self.journal.status(self.worker.borrow().source_id()).unwrap().last_sequence
    }
}

fn settle(worker: &mut WorkerJournal, event_id: EventId) {
    // What fails is kept, and held back.
    let _ = worker.settle(event_id, |_| "usage", Flush::Now);
}

struct SettlingBody {
    worker: SharedJournal,
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
            settle(&mut self.worker.borrow_mut(), self.event_id);
            self.confirming.note_settled();
        }
        Poll::Ready(piece.map(|piece| Ok(Bytes::from_static(piece.as_bytes()))))
    }
}

async fn next(body: &mut BoxBody) -> Option<Result<Bytes, Box<dyn std::error::Error>>> {
    std::future::poll_fn(|context| Pin::new(&mut *body).poll_next(context)).await
}

#[tokio::test]
async fn the_last_piece_goes_out_when_its_usage_is_synced() {
    for _ in 0..20 {
        let world = World::new(Durability::Host);
        let mut body = world.answer("text/event-stream", &["first", "last"]).await;
        assert_eq!(next(&mut body).await.unwrap().unwrap(), "first");
        assert_eq!(world.last_sequence(), 0, "not settled yet");
        assert_eq!(next(&mut body).await.unwrap().unwrap(), "last");
        assert_eq!(world.last_sequence(), 1, "only what is synced is shipped");
        assert!(next(&mut body).await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_piece_waits_for_a_disk_that_refuses_it_and_then_goes_out() {
    let world = World::new(Durability::Process);
    let mut body = world.answer("text/event-stream", &["first", "last"]).await;
    assert_eq!(next(&mut body).await.unwrap().unwrap(), "first");
    world.refuse_writes();
    assert!(timeout(PATIENCE / 2, next(&mut body)).await.is_err());
    world.allow_writes();
    assert_eq!(next(&mut body).await.unwrap().unwrap(), "last");
    assert_eq!(world.last_sequence(), 1);
    assert!(next(&mut body).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_settlement_cannot_be_written_ends_with_an_error_in_its_language() {
    let world = World::new(Durability::Process);
    let mut body = world.answer("text/event-stream", &["first", "last", "never"]).await;
    assert_eq!(next(&mut body).await.unwrap().unwrap(), "first");
    world.refuse_writes();
    let end = String::from_utf8(next(&mut body).await.unwrap().unwrap().to_vec()).unwrap();
    assert!(end.contains("\"metering_unavailable\"") && end.ends_with("data: [DONE]\n\n"), "{end}");
    assert!(next(&mut body).await.is_none());
    // It is booked as soon as that is possible.
    world.allow_writes();
    assert_eq!(world.last_sequence(), 1);
}

#[tokio::test(start_paused = true)]
async fn other_bodies_break_off() {
    let world = World::new(Durability::Process);
    let mut body = world.answer("audio/mpeg", &["last"]).await;
    world.refuse_writes();
    assert!(next(&mut body).await.unwrap().is_err());
    assert!(next(&mut body).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_is_withheld_with_its_head() {
    let world = World::new(Durability::Process);
    world.refuse_writes();
    world.settle();
    let answer = hold_back(world.confirming.clone(), HttpResponse::Ok().finish());
    assert!(matches!(answer.await, Err(JournalError::NotSynced)));

    world.allow_writes();
    let recorded = World::new(Durability::Process);
    recorded.settle();
    assert!(hold_back(recorded.confirming.clone(), HttpResponse::Ok().finish()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_progress_cannot_be_written_for_long_is_ended() {
    let world = World::new(Durability::Process);
    let pieces = ["1", "2", "3", "4"];
    let mut body = world.answer("text/event-stream", &pieces).await;
    let progress = || {
        let _ = world.worker.borrow_mut().progress(world.event_id, b"so far");
        let _ = world.worker.borrow_mut().flush();
        world.confirming.note_progress();
    };
    // Refused once, and written later.
    world.refuse_writes();
    progress();
    world.allow_writes();
    tokio::time::sleep(PATIENCE).await;
    assert_eq!(next(&mut body).await.unwrap().unwrap(), "1");

    world.refuse_writes();
    progress();
    tokio::time::sleep(PATIENCE / 2).await;
    progress();
    assert_eq!(next(&mut body).await.unwrap().unwrap(), "2");
    tokio::time::sleep(PATIENCE / 2).await;
    let end = next(&mut body).await.unwrap().unwrap();
    assert!(end.starts_with(b"data: {\"error\""), "{end:?}");
    assert!(next(&mut body).await.is_none());
    let left = Settlement { status: 200, ..Settlement::unused(Outcome::ClientCancelled, 200, "client_cancelled") };
    let booked = world.confirming.settlement(&left);
    assert_eq!((booked.outcome, booked.code, booked.status), (Outcome::Unavailable, "metering_unavailable", 200));
}
