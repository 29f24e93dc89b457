//! From samples to numbers.

use std::time::Duration;

use serde::Serialize;

use crate::client::Answer;
use crate::processes::ProcessUse;

/// Times are in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Answered with 2xx and read to the end.
    pub requests: u64,
    /// Other statuses, broken connections, time-outs.
    pub errors: u64,
    pub seconds: f64,
    pub requests_per_second: f64,
    pub p50_us: u64,
    pub p90_us: u64,
    pub p99_us: u64,
    pub max_us: u64,
    /// Of all bodies.
    pub bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<ProcessReport>,
    /// The first one, when there were errors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_error: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StreamReport {
    pub chunks: u64,
    pub chunks_per_second: f64,
    pub first_chunk_p50_us: u64,
    pub first_chunk_p99_us: u64,
}

/// What the measured processes used while the load ran.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProcessReport {
    pub cpu_us: u64,
    pub cpu_us_per_request: f64,
    pub rss_before_kb: u64,
    pub rss_kb: u64,
}

/// What one connection has seen.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    latencies_us: Vec<u32>,
    first_bytes_us: Vec<u32>,
    bytes: u64,
    frames: u64,
    errors: u64,
    first_error: Option<String>,
}

impl Samples {
    pub(crate) fn answered(&mut self, answer: &Answer, latency: Duration, streamed: bool) {
        self.latencies_us.push(microseconds(latency));
        if streamed {
            self.first_bytes_us.push(microseconds(answer.first_byte));
        }
        self.bytes += answer.bytes;
        self.frames += answer.frames;
    }

    pub(crate) fn failed(&mut self, error: impl FnOnce() -> String) {
        self.errors += 1;
        self.first_error.get_or_insert_with(error);
    }

    pub(crate) fn add(&mut self, other: Samples) {
        self.latencies_us.extend(other.latencies_us);
        self.first_bytes_us.extend(other.first_bytes_us);
        self.bytes += other.bytes;
        self.frames += other.frames;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    pub(crate) fn into_report(mut self, elapsed: Duration, streamed: bool) -> Report {
        self.latencies_us.sort_unstable();
        self.first_bytes_us.sort_unstable();
        let seconds = elapsed.as_secs_f64();
        let requests = self.latencies_us.len() as u64;
        let stream = streamed.then(|| StreamReport {
            chunks: self.frames,
            chunks_per_second: self.frames as f64 / seconds,
            first_chunk_p50_us: percentile(&self.first_bytes_us, 50),
            first_chunk_p99_us: percentile(&self.first_bytes_us, 99),
        });
        Report {
            requests,
            errors: self.errors,
            seconds,
            requests_per_second: requests as f64 / seconds,
            p50_us: percentile(&self.latencies_us, 50),
            p90_us: percentile(&self.latencies_us, 90),
            p99_us: percentile(&self.latencies_us, 99),
            max_us: percentile(&self.latencies_us, 100),
            bytes: self.bytes,
            stream,
            processes: None,
            first_error: self.first_error,
        }
    }
}

impl ProcessReport {
    pub(crate) fn between(before: ProcessUse, after: ProcessUse, requests: u64) -> Self {
        let cpu_us = after.cpu_us.saturating_sub(before.cpu_us);
        let cpu_us_per_request = cpu_us as f64 / requests.max(1) as f64;
        Self { cpu_us, cpu_us_per_request, rss_before_kb: before.rss_kb, rss_kb: after.rss_kb }
    }
}

fn microseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

/// The smallest value that so many per cent of all do not exceed; 0 of nothing.
fn percentile(sorted: &[u32], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let sorted: Vec<u32> = (1..=200).collect();
        assert_eq!([50, 99, 100].map(|percent| percentile(&sorted, percent)), [100, 198, 200]);
        assert_eq!((percentile(&[7], 50), percentile(&[], 99)), (7, 0));
    }
}
