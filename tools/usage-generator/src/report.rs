//! What a run came to.

use std::time::Duration;

use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Report {
    pub events: u64,
    pub published_seconds: f64,
    /// From the first event published to the last one committed.
    pub committed_seconds: f64,
    pub committed_per_second: f64,
    /// From the end of a batch's last request to the watermark that covers it, in ms.
    pub visible_p50_ms: f64,
    pub visible_p99_ms: f64,
    pub visible_max_ms: f64,
}

impl Report {
    /// `delays`: one for each batch, in any order.
    pub fn of(events: u64, published: Duration, committed: Duration, mut delays: Vec<Duration>) -> Self {
        delays.sort_unstable();
        Self {
            events,
            published_seconds: published.as_secs_f64(),
            committed_seconds: committed.as_secs_f64(),
            committed_per_second: events as f64 / committed.as_secs_f64().max(f64::EPSILON),
            visible_p50_ms: percentile_ms(&delays, 50),
            visible_p99_ms: percentile_ms(&delays, 99),
            visible_max_ms: percentile_ms(&delays, 100),
        }
    }
}

/// The nearest rank of an ascending list.
fn percentile_ms(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map_or(0.0, |delay| delay.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_ranks() {
        let delays = (1..=200).rev().map(Duration::from_millis).collect();
        let report = Report::of(400, Duration::from_secs(1), Duration::from_secs(2), delays);
        assert_eq!((report.visible_p50_ms, report.visible_p99_ms, report.visible_max_ms), (100.0, 198.0, 200.0));
        assert_eq!(report.committed_per_second, 200.0);
    }
}
