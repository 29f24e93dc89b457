//! A set of small numbers that allocates nothing below 64.

#[derive(Debug, Clone, Default)]
pub(super) struct IndexSet {
    first: u64,
    rest: Vec<u64>,
    count: usize,
}

const BITS: usize = 64;

impl IndexSet {
    pub fn contains(&self, index: usize) -> bool {
        let word = if index < BITS { Some(self.first) } else { self.rest.get(index / BITS - 1).copied() };
        word.is_some_and(|word| word >> (index % BITS) & 1 == 1)
    }

    pub fn insert(&mut self, index: usize) {
        if self.contains(index) {
            return;
        }
        self.count += 1;
        let bit = 1 << (index % BITS);
        let Some(word) = (index / BITS).checked_sub(1) else {
            self.first |= bit;
            return;
        };
        if self.rest.len() <= word {
            self.rest.resize(word + 1, 0);
        }
        if let Some(word) = self.rest.get_mut(word) {
            *word |= bit;
        }
    }

    pub fn clear(&mut self) {
        self.first = 0;
        self.rest.clear();
        self.count = 0;
    }

    pub fn len(&self) -> usize {
        self.count
    }

    /// In ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        let words = std::iter::once(self.first).chain(self.rest.iter().copied());
        words.enumerate().flat_map(|(at, word)| bits(word).map(move |bit| at * BITS + bit))
    }
}

fn bits(word: u64) -> impl Iterator<Item = usize> {
    let without_lowest = |word: &u64| Some(word & (word - 1)).filter(|rest| *rest != 0);
    let remaining = std::iter::successors(Some(word).filter(|word| *word != 0), without_lowest);
    remaining.map(|word| word.trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_was_put_in(indices in proptest::collection::vec(0_usize..300, 0..100)) {
            let mut set = IndexSet::default();
            indices.iter().for_each(|index| set.insert(*index));
            let model: BTreeSet<usize> = indices.into_iter().collect();
            prop_assert_eq!(set.len(), model.len());
            prop_assert!((0..300).all(|index| set.contains(index) == model.contains(&index)));
            prop_assert_eq!(set.iter().collect::<Vec<_>>(), model.into_iter().collect::<Vec<_>>());
        }
    }
}
