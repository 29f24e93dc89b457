//! The journal's housekeeping, off the threads that serve.

use std::time::Duration;

use maas_journal::Journal;
use tokio_util::sync::CancellationToken;

const TIDY_EVERY: Duration = Duration::from_secs(1);

pub async fn keep_tidy(journal: &Journal, stop: &CancellationToken) {
    let mut due = tokio::time::interval(TIDY_EVERY);
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = due.tick() => tidy(journal.clone()).await,
            () = stop.cancelled() => return,
        }
    }
}

/// It blocks on the disk.
pub async fn tidy(journal: Journal) {
    match tokio::task::spawn_blocking(move || journal.tidy()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            tracing::warn!(error = %error, cause, "segments that nobody needs stay in the journal for now");
        }
        Err(error) => tracing::error!(error = %error, "tidying the journal broke off"),
    }
}
