//! How far the figures can be trusted, and what is missing.

use std::time::Duration;

use maas_types::Timestamp;

use super::source::SourceState;

/// A source that has been silent for this long is lost: it no longer holds the answers back, its gaps stay visible.
pub const LOST_AFTER: Duration = Duration::from_secs(15 * 60);
/// A sequence that was announced may be on its way for this long before it counts as missing. A loss is to be noticed
/// within ten seconds: up to one goes by until the next heartbeat announces it, and up to one until somebody looks.
pub const GAP_AFTER: Duration = Duration::from_secs(8);

/// The time before which every admitted request is in the figures: the least `confirmed_until` over the sources that
/// are neither finished nor lost, and never later than `now`. With no such source it is `now`.
pub fn complete_until<'a>(sources: impl IntoIterator<Item = &'a SourceState>, now: Timestamp) -> Timestamp {
    let holding = sources.into_iter().filter(|source| !source.is_finished() && !is_lost(source, now));
    holding.map(|source| source.confirmed_until).min().map_or(now, |confirmed| confirmed.min(now))
}

pub fn is_lost(source: &SourceState, now: Timestamp) -> bool {
    now.since(source.last_heard_at) >= LOST_AFTER
}

/// Sequences that were announced at least [`GAP_AFTER`] ago and are not committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gap {
    pub events: u64,
    /// Since the oldest of them was announced.
    pub age: Duration,
}

/// The gap of one source; lost sources included, since what they announced is still missing.
pub fn gap(source: &SourceState, now: Timestamp) -> Option<Gap> {
    let pending = source.pending?;
    let age = now.since(pending.heard_at);
    (age >= GAP_AFTER).then(|| Gap { events: source.committed.missing_up_to(pending.last_sequence), age })
}

/// All gaps together: their events, and the age of the oldest.
pub fn total_gap<'a>(sources: impl IntoIterator<Item = &'a SourceState>, now: Timestamp) -> Gap {
    let gaps = sources.into_iter().filter_map(|source| gap(source, now));
    gaps.fold(Gap::default(), |total, gap| Gap {
        events: total.events.saturating_add(gap.events),
        age: total.age.max(gap.age),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::source::HeartbeatFacts;

    const NOW: Timestamp = Timestamp::from_unix_ms(10_000_000);

    fn confirmed(seconds_ago: u64) -> SourceState {
        let heard = NOW.minus(Duration::from_secs(1));
        SourceState { confirmed_until: NOW.minus(Duration::from_secs(seconds_ago)), ..SourceState::new(heard, heard) }
    }

    #[test]
    fn without_sources_everything_is_complete() {
        assert_eq!(complete_until([], NOW), NOW);
    }

    #[test]
    fn the_slowest_source_decides() {
        let sources = [confirmed(2), confirmed(40), confirmed(7)];
        assert_eq!(complete_until(&sources, NOW), NOW.minus(Duration::from_secs(40)));
    }

    #[test]
    fn finished_and_lost_sources_hold_nothing_back() {
        let finished = SourceState { closed: true, ..confirmed(500) };
        let lost = SourceState { last_heard_at: NOW.minus(LOST_AFTER), ..confirmed(1_000) };
        assert_eq!(complete_until(&[finished, lost, confirmed(3)], NOW), NOW.minus(Duration::from_secs(3)));
    }

    #[test]
    fn a_producer_clock_ahead_of_ours_promises_nothing_beyond_now() {
        let ahead = SourceState { confirmed_until: NOW.plus(Duration::from_secs(60)), ..confirmed(0) };
        assert_eq!(complete_until(&[ahead], NOW), NOW);
    }

    #[test]
    fn a_gap_counts_eight_seconds_after_its_announcement() {
        let mut source = confirmed(0);
        source.record(1, 4, NOW);
        source.record(7, 7, NOW);
        let heartbeat = |last_sequence| HeartbeatFacts {
            last_sequence,
            open_requests: 0,
            oldest_open_admission: None,
            sent_at: NOW,
        };
        source.hear_heartbeat(heartbeat(8), NOW);
        assert_eq!(gap(&source, NOW.plus(Duration::from_secs(7))), None);
        let later = NOW.plus(Duration::from_secs(12));
        // Later heartbeats do not make it younger.
        source.hear_heartbeat(heartbeat(8), later);
        assert_eq!(gap(&source, later), Some(Gap { events: 3, age: Duration::from_secs(12) }));
        source.record(5, 8, later);
        assert_eq!(gap(&source, later), None);
    }
}
