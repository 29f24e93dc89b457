//! Whether a failed call is followed by another one, on which upstream, and when.

use std::time::{Duration, Instant};

use super::{
    budget::RetryBudget,
    failure::{Failure, FailureClass},
    settings::RoutingSettings,
};

/// The wait before the second call of the same upstream is random up to this; it doubles for the next ones …
const FIRST_BACKOFF: Duration = Duration::from_millis(25);
/// … up to this.
const LONGEST_BACKOFF: Duration = Duration::from_millis(250);
/// An upstream that wants us to wait longer is not waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryDecision {
    /// The client, or a fallback model, gets what there is.
    GiveUp,
    /// At once, on an upstream that was not called for this request.
    Another,
    /// On an upstream that was called before, after this time.
    SameAfter(Duration),
}

/// The retries of one request on the upstreams of one model.
#[derive(Debug, Default)]
pub struct Retries {
    /// Of upstreams that were called before.
    repeated: u32,
    made: u32,
}

impl Retries {
    /// What follows a failed call. To be asked only as long as the client got nothing of an answer. A retry that is
    /// decided on is taken from the `budget`, so do it.
    pub fn after(
        &mut self,
        failure: Failure,
        has_another: bool,
        budget: &RetryBudget,
        settings: &RoutingSettings,
        now: Instant,
        random: &mut fastrand::Rng,
    ) -> RetryDecision {
        let attempts = self.made + 1;
        if attempts >= settings.attempts || !failure.class.may_retry(settings) {
            return RetryDecision::GiveUp;
        }
        let decision = if has_another { RetryDecision::Another } else { self.on_the_same(failure, random) };
        if decision == RetryDecision::GiveUp || !budget.spend(now) {
            return RetryDecision::GiveUp;
        }
        self.made += 1;
        decision
    }

    fn on_the_same(&mut self, failure: Failure, random: &mut fastrand::Rng) -> RetryDecision {
        let asked = failure.retry_after.unwrap_or_default();
        if !failure.class.may_pass() || asked > LONGEST_WAIT {
            return RetryDecision::GiveUp;
        }
        let factor = 2_u32.checked_pow(self.repeated).unwrap_or(u32::MAX);
        let most = FIRST_BACKOFF.saturating_mul(factor).min(LONGEST_BACKOFF);
        self.repeated += 1;
        // Any wait up to the bound, so that the requests that failed together do not come back together.
        let backoff = most.mul_f64(random.f64());
        RetryDecision::SameAfter(backoff.max(asked))
    }
}

impl FailureClass {
    const fn may_retry(self, settings: &RoutingSettings) -> bool {
        match self {
            Self::Timeout => settings.retry_timeouts,
            Self::ContextLength | Self::Client | Self::RequestBody => false,
            Self::Connect
            | Self::Cut
            | Self::BadAnswer
            | Self::RateLimited
            | Self::Overloaded
            | Self::Failed
            | Self::Auth
            | Self::Refused => true,
        }
    }

    /// Whether the same upstream may do better a moment later.
    const fn may_pass(self) -> bool {
        !matches!(self, Self::Auth | Self::Refused)
    }
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
