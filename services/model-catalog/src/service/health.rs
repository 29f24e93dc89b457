//! The memory of what the proxies report about upstreams. Nothing of it is stored: it is as old as a broadcast, and
//! after a restart the next one fills it again.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use maas_types::{ModelId, Timestamp, UpstreamId};
use uuid::Uuid;

use super::{Catalog, CatalogError};
use crate::{
    domain::{
        health::{self, BELIEVED_FOR, Circuit, HealthStatus, ProxyReport, UpstreamView},
        upstream::Upstream,
    },
    health_report,
};

/// Far more than anybody runs; a limit to what a stranger on the bus can fill the memory with.
const MAX_PROXIES: usize = 1_000;
const MAX_UPSTREAMS_OF_A_PROXY: usize = 20_000;

/// What each proxy said last, by its instance id.
#[derive(Debug, Default)]
pub struct HealthMemory {
    proxies: Mutex<HashMap<Uuid, HashMap<UpstreamId, Heard>>>,
}

/// How a proxy finds an upstream, and when it said so.
#[derive(Debug, Clone)]
pub struct Heard {
    /// On our clock.
    pub at: Timestamp,
    /// On the proxy's clock.
    sent_at: Timestamp,
    pub view: UpstreamView,
}

/// A model's upstreams as the living proxies find them.
#[derive(Debug)]
pub struct ModelHealth {
    pub status: HealthStatus,
    /// In the order in which they were made.
    pub upstreams: Vec<UpstreamHealth>,
}

#[derive(Debug)]
pub struct UpstreamHealth {
    pub upstream: Upstream,
    /// The worst that any proxy says.
    pub circuit: Circuit,
    /// By instance id.
    pub proxies: Vec<(Uuid, Heard)>,
}

impl HealthMemory {
    /// Keeps a report that arrives at `now`. What a proxy said later stays, since broadcasts may overtake each other.
    pub fn keep(&self, report: ProxyReport, now: Timestamp) {
        let mut proxies = self.lock();
        if proxies.len() >= MAX_PROXIES && !proxies.contains_key(&report.instance) {
            return;
        }
        let known = proxies.entry(report.instance).or_default();
        for (id, view) in report.upstreams {
            let has_place = known.len() < MAX_UPSTREAMS_OF_A_PROXY || known.contains_key(&id);
            let is_late = known.get(&id).is_some_and(|heard| heard.sent_at > report.sent_at && heard.is_believed(now));
            if has_place && !is_late {
                known.insert(id, Heard { at: now, sent_at: report.sent_at, view });
            }
        }
    }

    /// Drops what is not believed any more.
    pub fn forget_stale(&self, now: Timestamp) {
        self.lock().retain(|_, upstreams| {
            upstreams.retain(|_, heard| heard.is_believed(now));
            !upstreams.is_empty()
        });
    }

    fn of(&self, upstream: UpstreamId, now: Timestamp) -> Vec<(Uuid, Heard)> {
        let proxies = self.lock();
        let heard = proxies.iter().filter_map(|(instance, known)| Some((*instance, known.get(&upstream)?.clone())));
        let mut believed: Vec<_> = heard.filter(|(_, heard)| heard.is_believed(now)).collect();
        believed.sort_by_key(|(instance, _)| *instance);
        believed
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, HashMap<UpstreamId, Heard>>> {
        self.proxies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    fn is_believed(&self, now: Timestamp) -> bool {
        now.since(self.at) < BELIEVED_FOR
    }
}

impl Catalog {
    /// Takes in a broadcast of a proxy; one that cannot be believed changes nothing.
    pub fn hear(&self, payload: &[u8]) {
        match health_report::read(payload) {
            Ok(report) => self.health.keep(report, self.clock.now()),
            // Not louder: whoever can write to the bus could fill the log.
            Err(error) => tracing::debug!(%error, "a report on upstreams is not believed"),
        }
    }

    pub async fn model_health(&self, id: ModelId) -> Result<ModelHealth, CatalogError> {
        let now = self.clock.now();
        let upstreams: Vec<_> = self
            .model(id)
            .await?
            .upstreams
            .into_iter()
            .map(|upstream| {
                let proxies = self.health.of(upstream.id, now);
                let circuit = health::worst(proxies.iter().map(|(_, heard)| heard.view.circuit));
                UpstreamHealth { upstream, circuit, proxies }
            })
            .collect();
        let serving = upstreams.iter().filter(|health| health.upstream.serves());
        let status = health::status(&serving.map(|health| health.circuit).collect::<Vec<_>>());
        Ok(ModelHealth { status, upstreams })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::health::HealthCheck;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_763_000_000_000);

    fn report(instance: u128, upstream: UpstreamId, circuit: Circuit, sent_at: Timestamp) -> ProxyReport {
        let view = UpstreamView {
            circuit,
            open_until: None,
            consecutive_failures: 0,
            in_flight: 0,
            last_success: None,
            last_failure: None,
            last_failure_reason: None,
            check: HealthCheck::NotMade,
        };
        ProxyReport { instance: Uuid::from_u128(instance), sent_at, upstreams: vec![(upstream, view)] }
    }

    fn circuits(memory: &HealthMemory, upstream: UpstreamId, now: Timestamp) -> Vec<Circuit> {
        memory.of(upstream, now).into_iter().map(|(_, heard)| heard.view.circuit).collect()
    }

    #[test]
    fn parts_of_a_report_add_up_and_proxies_stay_apart() {
        let (memory, one, two) = (HealthMemory::default(), UpstreamId::new_at(NOW), UpstreamId::new_at(NOW));
        memory.keep(report(2, one, Circuit::Open, NOW), NOW);
        memory.keep(report(2, two, Circuit::Closed, NOW), NOW);
        memory.keep(report(1, one, Circuit::Closed, NOW), NOW);
        assert_eq!(circuits(&memory, one, NOW), [Circuit::Closed, Circuit::Open]);
        assert_eq!(circuits(&memory, two, NOW), [Circuit::Closed]);
    }

    #[test]
    fn an_overtaken_report_changes_nothing_unless_the_later_one_is_forgotten() {
        let (memory, id, earlier) =
            (HealthMemory::default(), UpstreamId::new_at(NOW), NOW.minus(Duration::from_secs(1)));
        memory.keep(report(1, id, Circuit::Open, NOW), NOW);
        memory.keep(report(1, id, Circuit::Closed, earlier), NOW);
        assert_eq!(circuits(&memory, id, NOW), [Circuit::Open]);
        // A proxy whose clock was set back is heard again.
        let later = NOW.plus(BELIEVED_FOR);
        memory.keep(report(1, id, Circuit::Closed, earlier), later);
        assert_eq!(circuits(&memory, id, later), [Circuit::Closed]);
    }

    #[test]
    fn silent_proxies_are_forgotten_and_make_room() {
        let (memory, id, later) = (HealthMemory::default(), UpstreamId::new_at(NOW), NOW.plus(BELIEVED_FOR));
        for instance in 0..=MAX_PROXIES {
            memory.keep(report(instance as u128, id, Circuit::Closed, NOW), NOW);
        }
        assert_eq!(circuits(&memory, id, NOW).len(), MAX_PROXIES);
        assert_eq!(circuits(&memory, id, later), []);
        memory.forget_stale(later);
        memory.keep(report(u128::MAX, id, Circuit::Open, later), later);
        assert_eq!(circuits(&memory, id, later), [Circuit::Open]);
    }
}
