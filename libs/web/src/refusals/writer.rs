//! Writes refusals to the outbox, in batches.

use std::{fmt::Display, time::Duration};

use maas_events::Delivery;
use maas_types::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::RefusalBook;

const BATCH: usize = 100;
/// How often to see whose minute is over.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Runs until the soft stop, and then writes once more what is there.
pub async fn run<F, Fut, E>(book: RefusalBook, mut waiting: mpsc::Receiver<Delivery>, write: F, stop: CancellationToken)
where
    F: Fn(Vec<Delivery>, Timestamp) -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: Display,
{
    let mut look = tokio::time::interval(LOOK_EVERY);
    let mut last = Vec::new();
    while !stop.is_cancelled() {
        let mut batch = Vec::with_capacity(BATCH);
        tokio::select! {
            () = stop.cancelled() => break,
            _ = waiting.recv_many(&mut batch, BATCH) => {}
            _ = look.tick() => batch = book.summaries(false),
        }
        last = write_until_stopped(&book, batch, &write, &stop).await;
    }
    last.extend(book.summaries(true));
    while let Ok(delivery) = waiting.try_recv() {
        last.push(delivery);
    }
    if let Err(error) = try_write(&book, last, &write).await {
        tracing::warn!(error = %error, "the last refused calls could not be written");
    }
}

/// Again and again; meanwhile the queue fills, and what it has no room for is counted. What is left once the process is
/// told to stop.
async fn write_until_stopped<F, Fut, E>(
    book: &RefusalBook,
    batch: Vec<Delivery>,
    write: &F,
    stop: &CancellationToken,
) -> Vec<Delivery>
where
    F: Fn(Vec<Delivery>, Timestamp) -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: Display,
{
    let mut pause = Duration::from_millis(250);
    while let Err(error) = try_write(book, batch.clone(), write).await {
        tracing::warn!(error = %error, "refused calls cannot be written");
        tokio::select! {
            () = stop.cancelled() => return batch,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Vec::new()
}

async fn try_write<F, Fut, E>(book: &RefusalBook, batch: Vec<Delivery>, write: &F) -> Result<(), E>
where
    F: Fn(Vec<Delivery>, Timestamp) -> Fut,
    Fut: Future<Output = Result<(), E>>,
{
    if batch.is_empty() { Ok(()) } else { write(batch, book.0.clock.now()).await }
}
