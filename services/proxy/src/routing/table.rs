//! What is kept about upstreams and models while the catalogue changes around them.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Instant,
};

use maas_types::{ModelId, UpstreamId};

use super::{budget::RetryBudget, common::Common, health::UpstreamHealth, settings::RoutingSettings};

/// One per process. The catalogue's entries hold what they get from here, so that no request looks it up. What no entry
/// and no request holds any more is forgotten.
pub struct HealthTable {
    pub(super) common: Arc<Common>,
    upstreams: Kept<UpstreamId, UpstreamHealth>,
    budgets: Kept<ModelId, RetryBudget>,
}

impl HealthTable {
    pub fn new(settings: RoutingSettings, now: Instant) -> Self {
        let common = Arc::new(Common::new(settings, now));
        Self { common, upstreams: Kept::default(), budgets: Kept::default() }
    }

    pub fn settings(&self) -> &RoutingSettings {
        &self.common.settings
    }

    /// The health of an upstream, the same one as long as anybody holds it.
    pub fn upstream(&self, id: UpstreamId) -> Arc<UpstreamHealth> {
        self.upstreams.get_or_make(id, || UpstreamHealth::new(id, self.common.clone()))
    }

    /// The retry budget of a model, the same one as long as anybody holds it.
    pub fn budget(&self, id: ModelId) -> Arc<RetryBudget> {
        self.budgets.get_or_make(id, || RetryBudget::new(self.common.settings.clone(), self.common.started))
    }
}

struct Kept<K, V>(Mutex<KeptEntries<K, V>>);

struct KeptEntries<K, V> {
    entries: HashMap<K, Weak<V>>,
    /// At this size the forgotten ones are swept out, so that each sweep is paid for by as many insertions.
    sweep_at: usize,
}

const FIRST_SWEEP_AT: usize = 64;

impl<K: Eq + Hash, V> Kept<K, V> {
    fn get_or_make(&self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = kept.entries.get(&key).and_then(Weak::upgrade) {
            return value;
        }
        if kept.entries.len() >= kept.sweep_at {
            kept.entries.retain(|_, value| value.strong_count() > 0);
            kept.sweep_at = FIRST_SWEEP_AT.max(kept.entries.len() * 2);
        }
        let value = Arc::new(make());
        kept.entries.insert(key, Arc::downgrade(&value));
        value
    }
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(Mutex::new(KeptEntries { entries: HashMap::new(), sweep_at: FIRST_SWEEP_AT }))
    }
}

#[cfg(test)]
mod tests {
    use maas_types::Timestamp;

    use super::*;

    fn upstream(number: i64) -> UpstreamId {
        UpstreamId::new_at(Timestamp::from_unix_ms(number))
    }

    #[test]
    fn health_is_the_same_while_anybody_holds_it() {
        let table = HealthTable::new(RoutingSettings::default(), Instant::now());
        let id = upstream(1);
        let of_old_catalogue = table.upstream(id);
        assert!(Arc::ptr_eq(&of_old_catalogue, &table.upstream(id)));
        assert!(!Arc::ptr_eq(&of_old_catalogue, &table.upstream(upstream(2))));
    }

    #[test]
    fn what_the_catalogue_drops_is_forgotten() {
        let table = HealthTable::new(RoutingSettings::default(), Instant::now());
        let kept = table.upstream(upstream(0));
        (1..1_000).for_each(|number| drop(table.upstream(upstream(number))));
        let entries = table.upstreams.0.lock().unwrap().entries.len();
        assert!(entries <= FIRST_SWEEP_AT, "{entries} entries");
        assert!(Arc::ptr_eq(&kept, &table.upstream(kept.id)));
    }
}
