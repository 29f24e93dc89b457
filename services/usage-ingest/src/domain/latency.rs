//! Latencies as histograms, so that percentiles of any group and period come from sums.
//!
//! The bins are part of the schema (columns `d00` to `d23` and `f00` to `f23`): their bounds never change.

/// Upper bounds in milliseconds, inclusive. The bin after the last bound is open.
pub const BOUNDS_MS: [u32; 23] = [
    5, 10, 20, 35, 50, 75, 100, 150, 200, 300, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 7_500, 10_000, 15_000,
    30_000, 60_000, 120_000,
];
pub const BINS: usize = BOUNDS_MS.len() + 1;

/// The whole duration of requests, `completed_us`.
pub const DURATION_COLUMNS: [&str; BINS] = [
    "d00", "d01", "d02", "d03", "d04", "d05", "d06", "d07", "d08", "d09", "d10", "d11", "d12", "d13", "d14", "d15",
    "d16", "d17", "d18", "d19", "d20", "d21", "d22", "d23",
];
/// The time to the first byte, `first_byte_us`.
pub const FIRST_BYTE_COLUMNS: [&str; BINS] = [
    "f00", "f01", "f02", "f03", "f04", "f05", "f06", "f07", "f08", "f09", "f10", "f11", "f12", "f13", "f14", "f15",
    "f16", "f17", "f18", "f19", "f20", "f21", "f22", "f23",
];

/// Requests in each bin. Requests that never got that far are in none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Histogram {
    bins: [i32; BINS],
}

impl Histogram {
    pub fn record(&mut self, micros: u64) {
        if let Some(bin) = self.bins.get_mut(bin_of(micros)) {
            *bin += 1;
        }
    }

    pub fn add(&mut self, other: &Self) {
        for (bin, more) in self.bins.iter_mut().zip(other.bins) {
            *bin += more;
        }
    }

    pub const fn bins(&self) -> &[i32; BINS] {
        &self.bins
    }
}

/// The bin that a latency falls in, 0 to 23.
pub fn bin_of(micros: u64) -> usize {
    BOUNDS_MS.partition_point(|bound| u64::from(*bound) * 1_000 < micros)
}

/// The latency in milliseconds that the share `quantile` (0 to 1) of the counted requests did not exceed; within a bin
/// as if they were spread evenly. In the open bin it is the last bound: at least that. `None`: nothing was counted.
///
/// Takes sums over many rows; a count below zero, which nothing here writes, counts as none.
pub fn percentile(bins: &[i64; BINS], quantile: f64) -> Option<f64> {
    let total: i64 = bins.iter().map(|count| (*count).max(0)).sum();
    if total == 0 {
        return None;
    }
    let rank = quantile.clamp(0.0, 1.0) * total as f64;
    let (mut below, mut lower) = (0.0, 0.0);
    for (count, upper) in bins.iter().map(|count| (*count).max(0) as f64).zip(BOUNDS_MS.map(f64::from)) {
        if count > 0.0 && below + count >= rank {
            return Some(lower + (upper - lower) * ((rank - below) / count).max(0.0));
        }
        below += count;
        lower = upper;
    }
    Some(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(list: &[(usize, i64)]) -> [i64; BINS] {
        let mut bins = [0; BINS];
        for (bin, count) in list {
            bins[*bin] = *count;
        }
        bins
    }

    #[test]
    fn bounds_are_inclusive() {
        assert_eq!([0, 5_000, 5_001, 10_000, 10_001].map(bin_of), [0, 0, 1, 1, 2]);
        assert_eq!((bin_of(120_000_000), bin_of(120_000_001), bin_of(u64::MAX)), (22, 23, 23));
    }

    #[test]
    fn percentiles_are_interpolated_inside_their_bin() {
        // 100 requests between 50 and 75 ms: the median is in the middle of the bin.
        assert_eq!(percentile(&counted(&[(5, 100)]), 0.5), Some(62.5));
        // 90 up to 5 ms, 10 between 100 and 150 ms: half of the last ten are below the 95th.
        assert_eq!(percentile(&counted(&[(0, 90), (7, 10)]), 0.95), Some(125.0));
        assert_eq!(percentile(&counted(&[(0, 90), (7, 10)]), 0.9), Some(5.0));
        assert_eq!(percentile(&counted(&[(0, 1), (7, 1)]), 1.0), Some(150.0));
    }

    #[test]
    fn the_open_bin_answers_its_lower_bound_and_nothing_answers_nothing() {
        assert_eq!(percentile(&counted(&[(23, 4)]), 0.5), Some(120_000.0));
        assert_eq!(percentile(&counted(&[]), 0.5), None);
        assert_eq!(percentile(&counted(&[(3, 2)]), 0.0), Some(20.0));
    }
}
