//! How far this machine's clock is off usage-ingest's.
//!
//! The time of admission decides day, rollup and price of an event, so a proxy whose clock is wrong books wrongly. What
//! is told is a lower bound: the answer to a question was written between the two, and a slow network proves nothing.

use std::time::Duration;

use maas_types::Timestamp;

/// Beyond this a proxy is not ready.
pub const MOST_OFFSET: Duration = Duration::from_secs(30);

/// `told` is ingest's time, written after `asked` and before `heard` of this clock.
pub fn proven_offset(asked: Timestamp, told: Timestamp, heard: Timestamp) -> Duration {
    // Ours is ahead by so much, or behind by so much; at most one of them is more than nothing.
    asked.since(told).max(told.since(heard))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_slow_answer_cannot_explain_is_an_offset() {
        let at = |seconds: i64| Timestamp::from_unix_ms(seconds * 1_000);
        assert_eq!(proven_offset(at(100), at(100), at(101)), Duration::ZERO);
        assert_eq!(proven_offset(at(100), at(150), at(200)), Duration::ZERO, "it may have taken that long");
        assert_eq!(proven_offset(at(100), at(60), at(101)), Duration::from_secs(40), "ahead");
        assert_eq!(proven_offset(at(100), at(145), at(101)), Duration::from_secs(44), "behind");
    }
}
