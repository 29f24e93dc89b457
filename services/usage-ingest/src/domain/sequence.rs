//! Which sequence numbers of one source are committed.
//!
//! Guarantee: a number is in the set only if it was recorded, however often and in whatever order that happened. The
//! set is a gap-free watermark plus the ranges above it, so that it stays small: when a gap closes, the watermark
//! jumps over everything that waited behind it.

use std::collections::BTreeMap;

/// Sequences start at 1; a watermark of 0 says that nothing is committed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SequenceSet {
    through: u64,
    /// First → last of each range; ranges neither touch each other nor the watermark.
    above: BTreeMap<u64, u64>,
}

impl SequenceSet {
    /// The set of a watermark and ranges in any order, overlapping or not.
    pub fn from_parts(through: u64, ranges: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut set = Self { through, above: BTreeMap::new() };
        for (first, last) in ranges {
            set.record(first, last);
        }
        set
    }

    /// Everything up to and including this number is committed.
    pub fn through(&self) -> u64 {
        self.through
    }

    /// The committed ranges above the watermark, ascending.
    pub fn above(&self) -> impl Iterator<Item = (u64, u64)> {
        self.above.iter().map(|(first, last)| (*first, *last))
    }

    /// Adds `first..=last`. Numbers that are there already change nothing; an empty range is ignored.
    pub fn record(&mut self, first: u64, last: u64) {
        if first > last || last <= self.through {
            return;
        }
        let (mut first, mut last) = (first.max(self.through + 1), last);
        // Swallow every range that overlaps or touches the new one.
        while let Some((start, end)) = self.neighbour(first, last) {
            self.above.remove(&start);
            first = first.min(start);
            last = last.max(end);
        }
        if first == self.through + 1 {
            self.through = last;
        } else {
            self.above.insert(first, last);
        }
    }

    /// Whether all of `first..=last` are committed.
    pub fn contains(&self, first: u64, last: u64) -> bool {
        last <= self.through
            || self.above.range(..=first.max(self.through + 1)).next_back().is_some_and(|(_, end)| last <= *end)
    }

    /// How many of the numbers `1..=last` are missing.
    pub fn missing_up_to(&self, last: u64) -> u64 {
        let covered: u64 =
            self.above().take_while(|(first, _)| *first <= last).map(|(first, end)| end.min(last) - first + 1).sum();
        last.saturating_sub(self.through).saturating_sub(covered)
    }

    fn neighbour(&self, first: u64, last: u64) -> Option<(u64, u64)> {
        let (start, end) = self.above.range(..=last.saturating_add(1)).next_back()?;
        (end.saturating_add(1) >= first).then_some((*start, *end))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_watermark_jumps_when_the_gap_is_filled() {
        let mut set = SequenceSet::default();
        set.record(1, 3);
        set.record(5, 8);
        set.record(10, 10);
        assert_eq!((set.through(), set.missing_up_to(10)), (3, 2));
        set.record(4, 4);
        assert_eq!(set.through(), 8);
        set.record(9, 9);
        assert_eq!(set, SequenceSet::from_parts(10, []));
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let mut set = SequenceSet::default();
        set.record(u64::MAX, u64::MAX);
        set.record(2, u64::MAX);
        set.record(1, 1);
        assert_eq!(set.through(), u64::MAX);
        set.record(5, u64::MAX);
        assert_eq!(set.missing_up_to(u64::MAX), 0);
    }

    proptest! {
        #[test]
        fn it_equals_the_plain_set_of_its_numbers(ranges in prop::collection::vec((1_u64..60, 0_u64..6), 0..20)) {
            let mut set = SequenceSet::default();
            let mut plain = BTreeSet::new();
            for (first, more) in ranges {
                set.record(first, first + more);
                plain.extend(first..=first + more);
            }
            let through = (1..).take_while(|number| plain.contains(number)).last().unwrap_or(0);
            prop_assert_eq!(set.through(), through);
            let above: BTreeSet<u64> = set.above().flat_map(|(first, last)| first..=last).collect();
            prop_assert_eq!(above, plain.iter().copied().filter(|number| *number > through).collect());
            prop_assert_eq!(set.missing_up_to(70), 70 - plain.len() as u64);
            for first in 1..70 {
                prop_assert_eq!(set.contains(first, first + 2), (first..=first + 2).all(|number| plain.contains(&number)));
            }
        }
    }
}
