//! When a consumer that brings nothing is stuck, as opposed to idle.
//!
//! A server has been seen to keep messages for a consumer and deliver none of them to anybody, for as long as nobody
//! made the consumer anew. The rule knows nothing of that fault; it only says what cannot be otherwise: there is
//! something to deliver, somebody waits for it, and nothing moves.

use async_nats::jetstream::consumer::Info;
use tokio::time::{Duration, Instant};

/// What was seen of one consumer while nothing came here.
pub(super) struct Stall {
    patience: Duration,
    /// How many deliveries the server counts, to all processes together, and since when it has been that number.
    delivered: u64,
    since: Instant,
}

/// The facts that decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    delivered: u64,
    pending: u64,
    unacknowledged: u64,
    /// No more may be out: the server waits for acknowledgements, at most for `ack_wait`.
    full: bool,
    ack_wait: Duration,
}

impl Stall {
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, delivered: 0, since: Instant::now() }
    }

    /// A message came.
    pub(super) fn over(&mut self) {
        self.since = Instant::now();
    }

    /// True when everything has stood still for too long. Ask only while waiting for a message.
    pub(super) fn is_stuck(&mut self, seen: Seen) -> bool {
        let has_work = seen.pending > 0 || seen.unacknowledged > 0;
        if !has_work || seen.delivered != self.delivered {
            self.delivered = seen.delivered;
            self.since = Instant::now();
            return false;
        }
        let waits_for_others = seen.full || seen.pending == 0;
        let patience = if waits_for_others { self.patience + seen.ack_wait } else { self.patience };
        self.since.elapsed() >= patience
    }
}

impl Seen {
    pub(super) fn of(info: &Info) -> Self {
        let most = u64::try_from(info.config.max_ack_pending).unwrap_or(u64::MAX);
        let unacknowledged = info.num_ack_pending as u64;
        Self {
            delivered: info.delivered.consumer_sequence,
            pending: info.num_pending,
            unacknowledged,
            full: unacknowledged >= most,
            ack_wait: info.config.ack_wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn seen(delivered: u64, pending: u64, unacknowledged: u64) -> Seen {
        Seen { delivered, pending, unacknowledged, full: unacknowledged >= 10, ack_wait: 20 * SECOND }
    }

    /// Looks each second and says after how many seconds it was found to be stuck.
    async fn stuck_after(patience: Duration, mut look: impl FnMut(u64) -> Seen) -> Option<u64> {
        let mut stall = Stall::new(patience);
        for second in 0..100 {
            if stall.is_stuck(look(second)) {
                return Some(second);
            }
            tokio::time::advance(SECOND).await;
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_consumer_and_one_that_delivers_elsewhere_are_not_stuck() {
        assert_eq!(stuck_after(5 * SECOND, |_| seen(7, 0, 0)).await, None);
        assert_eq!(stuck_after(5 * SECOND, |second| seen(second / 4, 100, 3)).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn messages_that_nobody_gets_are_a_stall() {
        assert_eq!(stuck_after(5 * SECOND, |_| seen(0, 1, 0)).await, Some(5));
        assert_eq!(stuck_after(5 * SECOND, |_| seen(7, 1, 3)).await, Some(5));
    }

    #[tokio::test(start_paused = true)]
    async fn what_another_process_holds_has_time_to_be_acknowledged() {
        assert_eq!(stuck_after(5 * SECOND, |_| seen(7, 50, 10)).await, Some(25));
        assert_eq!(stuck_after(5 * SECOND, |_| seen(7, 0, 1)).await, Some(25));
    }
}
