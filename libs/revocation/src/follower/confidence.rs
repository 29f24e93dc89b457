//! How long what is known may be believed without being confirmed.
//!
//! The rule. A proxy that is not told by the owner for 30 seconds, on neither way, while anything of the control plane
//! answers it, believes nothing any more: the owner may be revoking, where this proxy cannot hear it. One that is cut off
//! from everything goes on for `max_unconfirmed`: then most likely it is the network, and an outage of the control plane
//! should not be one of the data plane. Once closed it stays closed until it is confirmed.

/// Neither way may be silent for longer while something answers.
const BOTH_FAIL_MS: i64 = 30_000;
/// Something answers as long as its last answer is not older. Questions are asked every 2 seconds, and an owner
/// broadcasts every second.
pub const ANSWERING_WITHIN_MS: i64 = 10_000;

/// A point on a clock that never goes back, in milliseconds; negative before the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl Moment {
    pub fn plus_ms(self, milliseconds: i64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    pub fn minus_ms(self, milliseconds: i64) -> Self {
        Self(self.0.saturating_sub(milliseconds))
    }

    pub fn since_ms(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The part of the rule that is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnconfirmedRule {
    /// Cut off from everything; at least 30 seconds.
    pub max_unconfirmed_ms: i64,
}

#[derive(Debug)]
pub struct Confidence {
    rule: UnconfirmedRule,
    confirmed_at: Option<Moment>,
    answered_at: Option<Moment>,
    closed: bool,
}

impl Confidence {
    pub fn new(rule: UnconfirmedRule) -> Self {
        Self { rule, confirmed_at: None, answered_at: None, closed: true }
    }

    pub fn confirmed_at(&self) -> Option<Moment> {
        self.confirmed_at
    }

    /// Nothing was revoked before this that is not taken over.
    pub fn confirm(&mut self, at: Moment) {
        if self.confirmed_at.is_none_or(|confirmed| confirmed < at) {
            self.confirmed_at = Some(at);
            self.closed = false;
        }
    }

    pub fn note_answer(&mut self, now: Moment) {
        self.answered_at = self.answered_at.max(Some(now));
    }

    /// Until when the rule lets it serve if nothing more is heard.
    pub fn serves_until(&mut self, now: Moment) -> Option<Moment> {
        if self.closed {
            return None;
        }
        let until = self.deadline()?;
        self.closed = now >= until;
        (!self.closed).then_some(until)
    }

    fn deadline(&self) -> Option<Moment> {
        let confirmed = self.confirmed_at?;
        let (both_fail, cut_off) = (confirmed.plus_ms(BOTH_FAIL_MS), confirmed.plus_ms(self.rule.max_unconfirmed_ms));
        let answers_then = self.answered_at.is_some_and(|answered| answered.plus_ms(ANSWERING_WITHIN_MS) >= both_fail);
        Some(if answers_then { both_fail.min(cut_off) } else { cut_off })
    }
}
