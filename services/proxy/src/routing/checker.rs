//! Active health checks: upstreams with a health path are asked for it every few seconds, all that share it at once.
//!
//! A check carries no credential and nothing of any request: it says whether a server is there, not whether it likes
//! us. What it finds feeds the circuits; an upstream without a health path is probed by requests alone.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http::{Request, Uri, header};
use http_body_util::Full;
use maas_http::{ConnectProfile, UpstreamClient, UpstreamClientFactory, UpstreamClients};
use maas_runtime::lifecycle::Lifecycle;

use super::{RoutingSettings, UpstreamHealth, WatchList, Watched};

/// How often, at least, the catalogue is compared and due checks are begun.
const TICK: Duration = Duration::from_millis(500);
/// Checks at the same time; more wait for their turn.
const MOST_AT_ONCE: usize = 16;
const USER_AGENT: &str = concat!("maas/", env!("CARGO_PKG_VERSION"));

/// What a check asks. Upstreams with the same one are on one server and share the check.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CheckTarget {
    /// Absolute; on the upstream's origin.
    pub uri: Uri,
    pub profile: ConnectProfile,
}

/// Checks the upstreams of the catalogue, as it is at each moment, until the process stops softly.
pub fn spawn(watch_list: WatchList, clients: UpstreamClientFactory, settings: RoutingSettings, lifecycle: &Lifecycle) {
    let stopping = lifecycle.soft_stop().clone();
    lifecycle.spawn("proxy upstream checks", async move {
        let checks = check_all(watch_list, UpstreamClients::new(clients), settings);
        tokio::select! {
            () = checks => {}
            // A check that is dropped in the middle has told nobody anything.
            () = stopping.cancelled() => {}
        }
        Ok(())
    });
}

async fn check_all(watch_list: WatchList, clients: UpstreamClients, settings: RoutingSettings) {
    let mut schedule = Schedule::new(settings.check_interval.get(), fastrand::Rng::new());
    let mut running = FuturesUnordered::new();
    let mut tick = tokio::time::interval(settings.check_interval.get().clamp(Duration::from_millis(1), TICK));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => schedule.follow(watch_list(), Instant::now()),
            Some((target, passed)) = running.next() => schedule.ended(&target, passed, Instant::now()),
        }
        while running.len() < MOST_AT_ONCE
            && let Some(target) = schedule.next_due(Instant::now())
        {
            let client = clients.get(&target.profile);
            running.push(async move {
                // An upstream whose settings cannot be used is not well either.
                let passed = match client {
                    Ok(client) => passes(&client, &target.uri, settings.check_timeout.get()).await,
                    Err(_) => false,
                };
                (target, passed)
            });
        }
    }
}

/// Whether the server answers 2xx in time.
async fn passes(client: &UpstreamClient, uri: &Uri, timeout: Duration) -> bool {
    let request = Request::get(uri.clone()).header(header::USER_AGENT, USER_AGENT).header(header::ACCEPT, "*/*");
    let Ok(request) = request.body(Full::<Bytes>::default()) else { return false };
    let answered = tokio::time::timeout(timeout, client.send(request)).await;
    matches!(answered, Ok(Ok(response)) if response.status().is_success())
}

/// When which target is due, and whose health it tells about.
struct Schedule {
    entries: HashMap<CheckTarget, Entry>,
    interval: Duration,
    random: fastrand::Rng,
}

struct Entry {
    due: Instant,
    is_running: bool,
    upstreams: Vec<Arc<UpstreamHealth>>,
}

impl Schedule {
    fn new(interval: Duration, random: fastrand::Rng) -> Self {
        Self { entries: HashMap::new(), interval, random }
    }

    /// Takes the catalogue over: new targets begin somewhere in the first interval, so that the checks of a whole
    /// catalogue and of several proxies do not come together; old ones keep their turn.
    fn follow(&mut self, watched: Vec<Watched>, now: Instant) {
        self.entries.values_mut().for_each(|entry| entry.upstreams.clear());
        for upstream in watched {
            let Some(target) = upstream.check else {
                upstream.health.forget_checks();
                continue;
            };
            let first = now + self.interval.mul_f64(self.random.f64());
            let new = || Entry { due: first, is_running: false, upstreams: Vec::new() };
            self.entries.entry(target).or_insert_with(new).upstreams.push(upstream.health);
        }
        self.entries.retain(|_, entry| !entry.upstreams.is_empty());
    }

    /// The target whose turn it is for the longest time. It is not given again before it has ended.
    fn next_due(&mut self, now: Instant) -> Option<CheckTarget> {
        let due = self.entries.iter_mut().filter(|(_, entry)| !entry.is_running && entry.due <= now);
        let (target, entry) = due.min_by_key(|(_, entry)| entry.due)?;
        entry.is_running = true;
        Some(target.clone())
    }

    fn ended(&mut self, target: &CheckTarget, passed: bool, now: Instant) {
        // Gone from the catalogue meanwhile.
        let Some(entry) = self.entries.get_mut(target) else { return };
        entry.is_running = false;
        // A tenth more or less, so that proxies that were started together drift apart.
        entry.due = now + self.interval.mul_f64(0.9 + 0.2 * self.random.f64());
        entry.upstreams.iter().for_each(|health| health.note_check(passed, now));
    }
}

#[cfg(test)]
#[path = "checker_tests.rs"]
mod tests;
