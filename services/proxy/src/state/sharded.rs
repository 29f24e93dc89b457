//! A map that is read without locks and changed by replacing one of its shards.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, Hash, RandomState},
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;

/// A change copies one shard: with a million entries about four thousand pointers.
const SHARDS: usize = 256;

/// What the map holds knows its version.
pub trait Versioned {
    fn version(&self) -> u64;
    /// A tombstone stays in the map, so that an older value cannot come back.
    fn is_tombstone(&self) -> bool;
}

pub struct ShardedMap<K, V> {
    shards: Vec<ArcSwap<HashMap<K, Arc<V>>>>,
    hasher: RandomState,
    /// Changes come from one watcher and from look-ups; they take turns.
    writer: Mutex<()>,
}

impl<K: Hash + Eq + Clone, V: Versioned> ShardedMap<K, V> {
    pub fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| ArcSwap::default()).collect(),
            hasher: RandomState::new(),
            writer: Mutex::new(()),
        }
    }

    /// The value, unless it was deleted.
    pub fn get(&self, key: &K) -> Option<Arc<V>> {
        let shard = self.shards[self.shard_of(key)].load();
        shard.get(key).filter(|value| !value.is_tombstone()).cloned()
    }

    /// The version that is held, of a deleted value too.
    pub fn version_of(&self, key: &K) -> Option<u64> {
        self.shards[self.shard_of(key)].load().get(key).map(|value| value.version())
    }

    /// Takes over those values that are newer than what is there; tells each one that was.
    pub fn merge(&self, values: impl IntoIterator<Item = (K, V)>, mut merged: impl FnMut(&V)) {
        let _turn = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut by_shard: HashMap<usize, Vec<(K, V)>> = HashMap::new();
        for (key, value) in values {
            by_shard.entry(self.shard_of(&key)).or_default().push((key, value));
        }
        for (index, values) in by_shard {
            let mut shard = HashMap::clone(&self.shards[index].load());
            for (key, value) in values {
                let is_newer = shard.get(&key).is_none_or(|existing| existing.version() < value.version());
                if is_newer {
                    merged(&value);
                    shard.insert(key, Arc::new(value));
                }
            }
            self.shards[index].store(Arc::new(shard));
        }
    }

    fn shard_of(&self, key: &K) -> usize {
        // The remainder is below SHARDS, so the conversion cannot lose anything.
        usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    struct Value(u64, bool);

    impl Versioned for Value {
        fn version(&self) -> u64 {
            self.0
        }
        fn is_tombstone(&self) -> bool {
            self.1
        }
    }

    #[test]
    fn an_older_value_never_overwrites_a_newer_one() {
        let map = ShardedMap::new();
        map.merge([("a", Value(2, false)), ("b", Value(1, false))], |_| {});
        map.merge([("a", Value(1, false))], |_| {});
        assert_eq!(map.get(&"a").unwrap().version(), 2);
        map.merge([("a", Value(3, true))], |_| {});
        assert!(map.get(&"a").is_none());
        map.merge([("a", Value(2, false))], |_| {});
        assert!(map.get(&"a").is_none(), "a deleted value came back");
        assert!(map.get(&"b").is_some());
    }
}
