//! Tells the other services and the metrics how the upstreams are.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use maas_bus::SharedBus;
use maas_events::{
    state::{Circuit, UpstreamHealth as UpstreamReport, UpstreamHealthReport},
    topic::UPSTREAM_HEALTH_SUBJECT,
};
use maas_runtime::{
    metrics::{MetricsError, MetricsRegistry, table},
    process::Process,
};
use maas_types::Clock;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
};
use prost::Message as _;

use super::{HealthTable, WatchList, Watched, circuit::Phase, snapshot::HealthSnapshot};

/// Upstreams in one message.
const MOST_IN_A_PART: usize = 500;
/// Between two reports, however often circuits change.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);

/// Reports at once when a circuit changes, and every few seconds anyway, until the process stops softly.
pub struct Reporter {
    pub bus: SharedBus,
    /// The proxy's instance id.
    pub instance: [u8; 16],
    pub table: Arc<HealthTable>,
    pub watch_list: WatchList,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct CircuitLabels {
    model: String,
    upstream: String,
}

impl Reporter {
    pub fn spawn(self, process: &Process) -> Result<(), MetricsError> {
        let mut gauges = CircuitGauges::register(&process.metrics)?;
        let clock = process.clock.clone();
        let stopping = process.lifecycle.soft_stop().clone();
        process.lifecycle.spawn("proxy upstream reports", async move {
            loop {
                let watched = (self.watch_list)();
                gauges.show(&watched);
                self.broadcast(&watched, clock.as_ref()).await;
                tokio::select! {
                    () = self.next_turn() => {}
                    () = stopping.cancelled() => return Ok(()),
                }
            }
        });
        Ok(())
    }

    async fn next_turn(&self) {
        tokio::time::sleep(SHORTEST_PAUSE).await;
        let interval = self.table.settings().report_interval.get().saturating_sub(SHORTEST_PAUSE);
        tokio::select! {
            // Remembers a change that came before, and several as one.
            () = self.table.common.circuit_changed.notified() => {}
            () = tokio::time::sleep(interval) => {}
        }
    }

    /// Nothing is kept of a report that does not arrive: the next one says the same and more.
    async fn broadcast(&self, watched: &[Watched], clock: &dyn Clock) {
        let now = Instant::now();
        let now_ms = clock.now().unix_ms();
        let known = watched.iter().filter_map(|upstream| {
            let snapshot = upstream.health.snapshot(now)?;
            let id = upstream.health.id.uuid().as_bytes().to_vec();
            Some(to_report(id, &snapshot, |at| unix_ms(at, now, now_ms)))
        });
        for part in parts(known.collect(), self.instance, now_ms) {
            if let Err(error) = self.bus.broadcast(UPSTREAM_HEALTH_SUBJECT, part.encode_to_vec().into()).await {
                tracing::debug!(error = %error, "a health report was not sent");
                return;
            }
        }
    }
}

fn parts(upstreams: Vec<UpstreamReport>, instance: [u8; 16], sent_at_ms: i64) -> Vec<UpstreamHealthReport> {
    let report = |part: &[UpstreamReport]| UpstreamHealthReport {
        instance: instance.to_vec().into(),
        sent_at_ms,
        upstreams: part.to_vec(),
    };
    upstreams.chunks(MOST_IN_A_PART).map(report).collect()
}

fn to_report(id: Vec<u8>, health: &HealthSnapshot, unix_ms: impl Fn(Instant) -> i64) -> UpstreamReport {
    let circuit = match health.phase {
        Phase::Closed => Circuit::Closed,
        Phase::Open => Circuit::Open,
        Phase::HalfOpen => Circuit::HalfOpen,
    };
    let ms_or_zero = |at: Option<Instant>| at.map(&unix_ms).unwrap_or_default();
    UpstreamReport {
        upstream_id: id.into(),
        circuit: circuit.into(),
        open_until_ms: ms_or_zero(health.open_until),
        consecutive_failures: health.consecutive_failures,
        in_flight: health.in_flight,
        last_success_ms: ms_or_zero(health.last_success),
        last_failure_ms: ms_or_zero(health.last_failure.map(|(at, _)| at)),
        last_failure: health.last_failure.map(|(_, class)| class.as_str().to_owned()).unwrap_or_default(),
        check_passed: health.check_passed,
    }
}

/// A monotonic time on the wall clock, as it shows now.
fn unix_ms(at: Instant, now: Instant, now_ms: i64) -> i64 {
    let to_ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let ahead = to_ms(at.saturating_duration_since(now));
    let behind = to_ms(now.saturating_duration_since(at));
    now_ms.saturating_add(ahead).saturating_sub(behind)
}

/// `maas_proxy_upstream_circuit_open`, and a line in the log for each change that it shows. An upstream that leaves the
/// catalogue leaves the metric.
struct CircuitGauges {
    family: Family<CircuitLabels, Gauge>,
    shown: BTreeMap<CircuitLabels, bool>,
}

impl CircuitGauges {
    fn register(registry: &MetricsRegistry) -> Result<Self, MetricsError> {
        let family = registry.register(&table::PROXY_UPSTREAM_CIRCUIT_OPEN, Family::default())?;
        Ok(Self { family, shown: BTreeMap::new() })
    }

    fn show(&mut self, watched: &[Watched]) {
        let mut circuits: BTreeMap<CircuitLabels, bool> = BTreeMap::new();
        for upstream in watched {
            let labels = CircuitLabels { model: upstream.model.clone(), upstream: upstream.upstream.clone() };
            // Models beyond the limit share a label; one open circuit shows.
            *circuits.entry(labels).or_default() |= upstream.health.phase() != Phase::Closed;
        }
        for gone in self.shown.keys().filter(|labels| !circuits.contains_key(labels)) {
            self.family.remove(gone);
        }
        for (labels, is_open) in &circuits {
            self.family.get_or_create(labels).set(i64::from(*is_open));
            if *is_open != self.shown.get(labels).copied().unwrap_or_default() {
                log_change(labels, *is_open);
            }
        }
        self.shown = circuits;
    }
}

fn log_change(labels: &CircuitLabels, is_open: bool) {
    let CircuitLabels { model, upstream } = labels;
    if is_open {
        tracing::warn!(
            model.name = model,
            upstream.name = upstream,
            "an upstream fails and is passed over for a while"
        );
    } else {
        tracing::info!(model.name = model, upstream.name = upstream, "an upstream is back");
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
