//! A clock that never goes back and that no pause stops.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use maas_revocation::follower::Moment;
use maas_types::{Clock, Timestamp};

/// Each step adds what passed on the clock that nobody sets ([`Clock::steady_ms`]) or on the monotonic one, whichever is
/// more. The time of day plays no part: put forward by hours it would make everything look old.
pub struct Moments {
    clock: Arc<dyn Clock>,
    last: Mutex<Last>,
}

struct Last {
    instant: Instant,
    steady_ms: i64,
    moment: Moment,
}

impl Moments {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let last = Last { instant: Instant::now(), steady_ms: clock.steady_ms(), moment: Moment(0) };
        Self { clock, last: Mutex::new(last) }
    }

    pub fn now(&self) -> Moment {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (instant, steady_ms) = (Instant::now(), self.clock.steady_ms());
        let elapsed = instant.duration_since(last.instant);
        let passed = milliseconds(elapsed).max(steady_ms.saturating_sub(last.steady_ms));
        let moment = last.moment.plus_ms(passed);
        // What is less than a millisecond is kept for the next step.
        if passed > 0 {
            *last = Last { instant, steady_ms, moment };
        }
        moment
    }

    /// The moment of a time before now. One ahead of the clock cannot be believed to be recent.
    pub fn of(&self, time: Timestamp) -> Option<Moment> {
        let age_ms = self.clock.now().unix_ms().saturating_sub(time.unix_ms());
        (age_ms >= 0).then(|| self.now().minus_ms(age_ms))
    }

    /// The time of a moment before now.
    pub fn time_of(&self, moment: Moment) -> Timestamp {
        let age_ms = self.now().since_ms(moment);
        Timestamp::from_unix_ms(self.clock.now().unix_ms().saturating_sub(age_ms))
    }

    pub fn wall(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn steady_ms(&self) -> i64 {
        self.clock.steady_ms()
    }
}

fn milliseconds(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use maas_types::FixedClock;

    use super::*;

    #[test]
    fn a_calendar_that_is_set_back_makes_nothing_younger() {
        let clock = Arc::new(FixedClock::at(Timestamp::from_unix_ms(1_000_000)));
        let moments = Moments::new(clock.clone());
        clock.advance(Duration::from_secs(60));
        let before = moments.now();
        assert!(before >= Moment(60_000));
        assert_eq!(moments.of(Timestamp::from_unix_ms(1_000_000)), Some(moments.now().minus_ms(60_000)));
        assert_eq!(moments.of(Timestamp::from_unix_ms(2_000_000)), None);
        assert!(moments.now() >= before);
    }
}
