//! Gets a batch committed, whatever it takes.
//!
//! Guarantee: when [`Writer::write`] returns `Written`, every entry is committed, as an event or in quarantine. Until
//! then nothing may be acknowledged.
//!
//! What happens at each failure:
//! - the database is away, read-only, or lost a race: the same part is tried again, with growing pauses, for ever;
//! - the database does not answer: the attempt is given up, and the part is tried again in halves, so that a database
//!   that is only slow gets work it can finish;
//! - the schema does not fit or a right is missing: the same, loudly, since no event is to blame;
//! - the database refuses a row: the part is halved until one entry is left, and that one goes to quarantine; what it
//!   was caught with is stored. If even the quarantine refuses it, it is held and tried again: nothing is dropped;
//! - the process stops: `Stopped`; parts that are committed stay committed and come again as duplicates.

use std::{sync::Arc, time::Duration};

use maas_runtime::readiness::CheckHandle;
use maas_store::{Database, StoreError};
use maas_types::Clock;
use sea_orm::{DbErr, RuntimeErr};
use tokio_util::sync::CancellationToken;

use super::commit::{Committed, commit};
use crate::{
    domain::{period::MonthClosing, received::Entry},
    metrics::UsageMetrics,
    store::blames_the_data,
};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A connection that only this end remembers never answers and never breaks. Longer than the server lets a vanished
/// holder keep the partition, shorter than what is waited for acknowledgements.
const LONGEST_COMMIT: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub struct Writer {
    pub database: Database,
    pub clock: Arc<dyn Clock>,
    pub metrics: UsageMetrics,
    pub check: CheckHandle,
    pub closing: MonthClosing,
}

/// How writing ended.
#[derive(Debug)]
pub enum WriteEnd {
    /// The parts that were committed, in order. Together they are the batch.
    Written(Vec<Committed>),
    /// The process stops and something is not committed.
    Stopped,
}

impl Writer {
    /// Commits all entries, in order, in as few transactions as it can be done.
    pub async fn write(&self, entries: Vec<Entry>, stop: &CancellationToken) -> WriteEnd {
        let mut committed = Vec::new();
        let mut pause = FIRST_PAUSE;
        // The part on top comes first in the batch.
        let mut parts = vec![entries];
        while let Some(part) = parts.pop() {
            let again = match tokio::time::timeout(LONGEST_COMMIT, self.commit_measured(&part)).await {
                Ok(Ok(outcome)) => {
                    pause = FIRST_PAUSE;
                    self.check.set_ok();
                    committed.push(outcome);
                    continue;
                }
                Ok(Err(error)) if blames_the_data(&error) && split(&mut parts, &part, &error) => continue,
                Ok(Err(error)) => {
                    self.held(&error, &part, pause);
                    vec![part]
                }
                // It may have committed all the same: then everything is found when it is tried again.
                Err(_) => {
                    self.held(&unanswered(), &part, pause);
                    halves(&part)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return WriteEnd::Stopped,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            parts.extend(again);
        }
        WriteEnd::Written(committed)
    }

    async fn commit_measured(&self, part: &[Entry]) -> Result<Committed, StoreError> {
        let started = std::time::Instant::now();
        let committed = commit(&self.database, part, self.closing, self.clock.now()).await?;
        self.metrics.committed(&committed, started.elapsed(), self.clock.now());
        Ok(committed)
    }

    fn held(&self, error: &StoreError, part: &[Entry], pause: Duration) {
        self.check.set_failed("usage cannot be committed");
        let events = part.iter().filter(|entry| matches!(entry, Entry::Event(_))).count();
        self.metrics.retried(events);
        let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        if error.is_transient() {
            tracing::warn!(error.message = %error, error.cause = cause, ?pause, "usage is held and tried again");
        } else {
            tracing::error!(error.message = %error, error.cause = cause, ?pause, "usage is held until somebody acts");
        }
    }
}

/// Puts back the halves of a refused part, or its only entry on the way to quarantine. `false`: it cannot be split, the
/// quarantine itself was refused.
fn split(parts: &mut Vec<Vec<Entry>>, part: &[Entry], error: &StoreError) -> bool {
    if let [entry] = part {
        let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
        tracing::error!(usage.source = %entry.source(), error.message = cause, "a usage entry goes to quarantine");
        let Some(poisoned) = entry.poisoned(cause) else { return false };
        parts.push(vec![poisoned]);
        return true;
    }
    parts.extend(halves(part));
    true
}

/// The second one first: the part on top is the next. One entry has no second half.
fn halves(part: &[Entry]) -> Vec<Vec<Entry>> {
    let (first, second) = part.split_at(part.len().div_ceil(2));
    [second, first].into_iter().filter(|half| !half.is_empty()).map(<[Entry]>::to_vec).collect()
}

pub(super) fn unanswered() -> StoreError {
    StoreError::Unavailable(DbErr::Conn(RuntimeErr::Internal(format!("no answer within {LONGEST_COMMIT:?}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(part: &[Entry]) -> Vec<u64> {
        let number = |entry: &Entry| match entry {
            Entry::Close { last_sequence, .. } => Some(*last_sequence),
            _ => None,
        };
        part.iter().filter_map(number).collect()
    }

    #[test]
    fn halves_are_the_part_in_its_order() {
        let close = |last_sequence| Entry::Close { source: "s".into(), last_sequence, payload: Vec::new().into() };
        let part: Vec<_> = (1..=5).map(close).collect();
        let popped: Vec<_> = halves(&part).iter().rev().map(|half| numbers(half)).collect();
        assert_eq!(popped, [vec![1, 2, 3], vec![4, 5]]);
        assert_eq!(halves(&part[..1]).len(), 1);
    }
}
