//! What is known of one proxy.

use std::time::Duration;

use maas_types::Timestamp;
use uuid::Uuid;

use crate::wire::Mark;

/// A proxy that was heard of within this time is alive.
pub const LIVE_WITHIN: Duration = Duration::from_secs(10);
/// For the proxy's own clock and for what was on its way when it was last heard of.
const MARGIN: Duration = Duration::from_secs(60);
/// What the setting allows.
const SHORTEST_UNCONFIRMED: Duration = Duration::from_secs(30);
const LONGEST_UNCONFIRMED: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub boot: Uuid,
    /// `None`: it does not follow this owner yet, and so serves nobody.
    pub applied: Option<Mark>,
    /// On the clock of the replica that heard it.
    pub seen_at: Timestamp,
    pub max_unconfirmed: Duration,
}

impl Member {
    pub fn is_live(&self, now: Timestamp) -> bool {
        now.since(self.seen_at) < LIVE_WITHIN
    }

    pub fn has_applied(&self, mark: Mark) -> bool {
        self.applied.is_some_and(|applied| applied.epoch == mark.epoch && applied.counter >= mark.counter)
    }

    /// By when it refuses what was revoked at `revoked_at`, even if nothing reaches it any more: whatever confirms its
    /// state after that moment tells it of the revocation too.
    pub fn closes_at(&self, revoked_at: Timestamp) -> Timestamp {
        revoked_at.plus(self.max_unconfirmed)
    }

    /// Silent for so long that it serves nobody any more.
    pub fn is_gone(&self, now: Timestamp) -> bool {
        now.since(self.seen_at) > self.max_unconfirmed + MARGIN
    }

    /// Takes over what was heard elsewhere. A counter goes back only with another run or another epoch.
    pub fn merge(&mut self, heard: Self) {
        let same_run = self.boot == heard.boot;
        if !same_run || self.epoch() != heard.epoch() {
            if heard.seen_at >= self.seen_at {
                *self = heard;
            }
            return;
        }
        if heard.applied.map(|mark| mark.counter) > self.applied.map(|mark| mark.counter) {
            self.applied = heard.applied;
        }
        self.seen_at = self.seen_at.max(heard.seen_at);
        self.max_unconfirmed = heard.max_unconfirmed;
    }

    fn epoch(&self) -> Option<Uuid> {
        self.applied.map(|mark| mark.epoch)
    }
}

/// What a proxy says of itself, within what can be true.
pub fn believed_unconfirmed(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds).clamp(SHORTEST_UNCONFIRMED, LONGEST_UNCONFIRMED)
}
