//! Two counts over the last ten seconds. Counting is one atomic operation and takes no lock.

use std::sync::atomic::{AtomicU64, Ordering};

/// Length of the window in seconds, and the number of its buckets. The current second is not over, so that the window
/// covers between 9 and 10 s.
pub const WINDOW_SECONDS: u64 = 10;

const COUNT_BITS: u32 = 20;
const MOST: u64 = (1 << COUNT_BITS) - 1;
const SECOND_MASK: u64 = (1 << 24) - 1;

/// Counts of two kinds, each up to about a million a second; beyond that a second counts as just so many.
#[derive(Default)]
pub struct Window {
    /// 24 bits for the second that a bucket is of, 20 bits for each count.
    buckets: [AtomicU64; WINDOW_SECONDS as usize],
}

#[derive(Clone, Copy)]
pub enum Kind {
    First,
    Second,
}

impl Window {
    /// Counts one of a kind at this second, counted from any fixed point.
    pub fn add(&self, kind: Kind, second: u64) {
        let Some(bucket) = self.buckets.get((second % WINDOW_SECONDS) as usize) else { return };
        let added = |packed| {
            let (of, first, second_count) = unpack(packed);
            let is_current = of == second & SECOND_MASK;
            let (first, second_count) = if is_current { (first, second_count) } else { (0, 0) };
            Some(match kind {
                Kind::First => pack(second, first + 1, second_count),
                Kind::Second => pack(second, first, second_count + 1),
            })
        };
        // Never fails: `added` always has a value.
        let _ = bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added);
    }

    /// Both sums over the window that ends with this second.
    pub fn sums(&self, second: u64) -> (u64, u64) {
        let unpacked = self.buckets.iter().map(|bucket| unpack(bucket.load(Ordering::Relaxed)));
        let is_recent = |of: u64| second.wrapping_sub(of) & SECOND_MASK < WINDOW_SECONDS;
        unpacked
            .filter(|(of, ..)| is_recent(*of))
            .fold((0, 0), |sums, (_, first, second_count)| (sums.0 + first, sums.1 + second_count))
    }

    pub fn clear(&self) {
        self.buckets.iter().for_each(|bucket| bucket.store(0, Ordering::Relaxed));
    }
}

fn pack(second: u64, first: u64, second_count: u64) -> u64 {
    (second & SECOND_MASK) << (2 * COUNT_BITS) | first.min(MOST) << COUNT_BITS | second_count.min(MOST)
}

const fn unpack(packed: u64) -> (u64, u64, u64) {
    (packed >> (2 * COUNT_BITS), packed >> COUNT_BITS & MOST, packed & MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_leave_after_ten_seconds() {
        let window = Window::default();
        window.add(Kind::First, 100);
        window.add(Kind::Second, 105);
        window.add(Kind::Second, 105);
        assert_eq!(window.sums(105), (1, 2));
        assert_eq!(window.sums(109), (1, 2));
        assert_eq!(window.sums(110), (0, 2));
        assert_eq!(window.sums(115), (0, 0));
    }

    #[test]
    fn a_bucket_starts_anew_when_its_turn_comes_again() {
        let window = Window::default();
        (0..5).for_each(|_| window.add(Kind::First, 7));
        window.add(Kind::First, 17);
        assert_eq!(window.sums(17), (1, 0));
    }

    #[test]
    fn a_second_never_overflows_into_its_neighbours() {
        let window = Window { buckets: Default::default() };
        window.buckets[3].store(pack(3, MOST, MOST), Ordering::Relaxed);
        window.add(Kind::Second, 3);
        window.add(Kind::First, 3);
        assert_eq!(window.sums(3), (MOST, MOST));
    }
}
