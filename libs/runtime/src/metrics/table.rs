//! The list of all metrics: names, labels and buckets are a public contract. `docs/metrics.md` is rendered from it.

use prometheus_client::metrics::{
    family::{Family, MetricConstructor},
    histogram::Histogram,
};

/// What a metric is called, counts and is labelled with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricDefinition {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    /// [`Buckets::NONE`] unless it is a histogram.
    pub buckets: Buckets,
    pub services: &'static [Service],
    /// One sentence without a full stop.
    pub help: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Auth,
    KeyManagement,
    ModelCatalog,
    UsageIngest,
    Proxy,
}

/// Upper bounds of a histogram's buckets, in seconds. Each threshold of a service level objective is one of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Buckets(pub &'static [f64]);

impl Buckets {
    pub const NONE: Self = Self(&[]);
    pub const HTTP: Self = Self(&[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]);
    pub const DURATION: Self =
        Self(&[0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0]);
    pub const TIME_TO_FIRST_TOKEN: Self =
        Self(&[0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 20.0, 30.0, 60.0, 120.0]);
    pub const TIME_PER_OUTPUT_TOKEN: Self =
        Self(&[0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5]);
    pub const OVERHEAD: Self =
        Self(&[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0]);
    pub const DEPENDENCY: Self =
        Self(&[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]);
    pub const LAG: Self = Self(&[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0]);
    pub const REVOCATION: Self = Self(&[0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0]);
}

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

/// A histogram with labels, of one definition's buckets.
pub type HistogramFamily<L> = Family<L, Histogram, Buckets>;

impl MetricDefinition {
    /// A histogram without labels, with this definition's buckets.
    pub fn histogram(&self) -> Histogram {
        self.buckets.new_metric()
    }

    /// A histogram with labels, with this definition's buckets.
    pub fn histogram_family<L: Clone + std::hash::Hash + Eq>(&self) -> HistogramFamily<L> {
        Family::new_with_constructor(self.buckets)
    }

    /// The name to register: the encoder appends `_total` to counters by itself.
    pub(super) fn registered_name(&self) -> &'static str {
        match self.kind {
            Kind::Counter => self.name.strip_suffix("_total").unwrap_or(self.name),
            Kind::Gauge | Kind::Histogram => self.name,
        }
    }
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Service {
    /// The service's folder name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::KeyManagement => "key-management",
            Self::ModelCatalog => "model-catalog",
            Self::UsageIngest => "usage-ingest",
            Self::Proxy => "proxy",
        }
    }
}

pub const EVERY_SERVICE: &[Service] =
    &[Service::Auth, Service::KeyManagement, Service::ModelCatalog, Service::UsageIngest, Service::Proxy];
const AUTH: &[Service] = &[Service::Auth];
const KEYS: &[Service] = &[Service::KeyManagement];
const CATALOG: &[Service] = &[Service::ModelCatalog];
const USAGE: &[Service] = &[Service::UsageIngest];
const PROXY: &[Service] = &[Service::Proxy];
const OUTBOX: &[Service] = &[Service::Auth, Service::KeyManagement, Service::ModelCatalog, Service::UsageIngest];

/// Declares one constant per row, and [`ALL`] with every row in this order.
macro_rules! metrics {
    ($($constant:ident: $kind:ident $name:literal [$($label:literal),*] $buckets:ident $services:ident $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: MetricDefinition = MetricDefinition {
                name: $name,
                kind: Kind::$kind,
                labels: &[$($label),*],
                buckets: Buckets::$buckets,
                services: $services,
                help: $help,
            };
        )*

        pub const ALL: &[MetricDefinition] = &[$($constant),*];
    };
}

metrics! {
    BUILD_INFO: Gauge "maas_build_info" ["version", "revision"] NONE EVERY_SERVICE
        "The build that runs; always 1";
    READINESS_CHECK: Gauge "maas_readiness_check" ["check"] NONE EVERY_SERVICE
        "1 while the named readiness check is passed, else 0";
    HTTP_REQUEST_DURATION: Histogram "http_server_request_duration_seconds" ["http_request_method", "http_route", "http_response_status_code"] HTTP EVERY_SERVICE
        "Time to answer a control-plane request, by route template";
    HTTP_ACTIVE_REQUESTS: Gauge "http_server_active_requests" ["http_request_method"] NONE EVERY_SERVICE
        "Requests being answered now";
    PROCESS_CPU: Counter "process_cpu_seconds_total" [] NONE EVERY_SERVICE
        "User and system CPU time of the process";
    PROCESS_MEMORY: Gauge "process_resident_memory_bytes" [] NONE EVERY_SERVICE
        "Resident memory of the process";
    PROCESS_OPEN_FDS: Gauge "process_open_fds" [] NONE EVERY_SERVICE
        "Open file descriptors of the process";
    PROCESS_START_TIME: Gauge "process_start_time_seconds" [] NONE EVERY_SERVICE
        "Start of the process, in seconds since the Unix epoch";
    PROXY_REQUESTS: Counter "maas_proxy_requests_total" ["model", "operation", "stream", "outcome", "code"] NONE PROXY
        "Inference requests that ended, by outcome";
    PROXY_REQUESTS_IN_FLIGHT: Gauge "maas_proxy_requests_in_flight" ["model", "stream"] NONE PROXY
        "Inference requests being answered now";
    PROXY_REQUEST_DURATION: Histogram "maas_proxy_request_duration_seconds" ["model", "stream", "outcome"] DURATION PROXY
        "Time from the request's headers to the last byte of its answer; outcome is success or error";
    PROXY_TIME_TO_FIRST_TOKEN: Histogram "maas_proxy_time_to_first_token_seconds" ["model"] TIME_TO_FIRST_TOKEN PROXY
        "Time from the request's headers to the first token, streams only";
    PROXY_TIME_PER_OUTPUT_TOKEN: Histogram "maas_proxy_time_per_output_token_seconds" ["model"] TIME_PER_OUTPUT_TOKEN PROXY
        "Mean time between output tokens, streams with two output tokens or more";
    PROXY_OVERHEAD: Histogram "maas_proxy_overhead_seconds" ["phase"] OVERHEAD PROXY
        "Time the proxy itself adds to a request, by phase";
    PROXY_TOKENS: Counter "maas_proxy_tokens_total" ["model", "type"] NONE PROXY
        "Tokens by direction: input, output";
    PROXY_TOKEN_DETAILS: Counter "maas_proxy_token_details_total" ["model", "detail"] NONE PROXY
        "Subsets of the tokens counted by direction, such as cached_input; never add them to those";
    PROXY_USAGE_REPORTS: Counter "maas_proxy_usage_reports_total" ["model", "quality"] NONE PROXY
        "Settled requests by how their tokens are known: exact, partial, estimated, none";
    PROXY_UPSTREAM_ATTEMPTS: Counter "maas_proxy_upstream_attempts_total" ["model", "upstream", "kind", "outcome"] NONE PROXY
        "Calls to upstreams: primary, retry, fallback";
    PROXY_UPSTREAM_CIRCUIT_OPEN: Gauge "maas_proxy_upstream_circuit_open" ["model", "upstream"] NONE PROXY
        "1 while the upstream is passed over because it fails, until a request shows that it is back; else 0";
    PROXY_AUTH_DECISIONS: Counter "maas_proxy_auth_decisions_total" ["result", "reason"] NONE PROXY
        "Decisions about API keys and their reasons";
    PROXY_AUTH_CACHE: Counter "maas_proxy_auth_cache_total" ["result"] NONE PROXY
        "Key look-ups by where the answer came from: hit, miss, stale";
    PROXY_KEY_REVOCATION_LAG: Histogram "maas_proxy_key_revocation_lag_seconds" [] REVOCATION PROXY
        "Time from a key's revocation to its removal here";
    PROXY_USAGE_EVENTS: Counter "maas_proxy_usage_events_total" ["outcome"] NONE PROXY
        "Usage events handed to the bus: published, replayed";
    PROXY_JOURNAL_EVENTS: Gauge "maas_proxy_journal_events" [] NONE PROXY
        "Usage events in the journal that are not committed by usage-ingest yet";
    PROXY_JOURNAL_BYTES: Gauge "maas_proxy_journal_bytes" [] NONE PROXY
        "Size of the journal's segments";
    PROXY_JOURNAL_OLDEST: Gauge "maas_proxy_journal_oldest_seconds" [] NONE PROXY
        "Age of the oldest usage event that is not committed yet";
    PROXY_CLOCK_OFFSET: Gauge "maas_proxy_clock_offset_seconds" [] NONE PROXY
        "How far the clock is off usage-ingest's at least; beyond 30 the proxy is not ready";
    PROXY_SNAPSHOT_AGE: Gauge "maas_proxy_snapshot_age_seconds" ["state"] NONE PROXY
        "Time since the snapshot of this state was last confirmed: keys, models";
    PROXY_UNPRICED_REQUESTS: Counter "maas_proxy_unpriced_requests_total" ["model"] NONE PROXY
        "Requests to models without a price";
    OUTBOX_PENDING: Gauge "maas_outbox_pending" [] NONE OUTBOX
        "Rows in the outbox that are not published yet";
    USAGE_WATERMARK_GAP_EVENTS: Gauge "maas_usage_watermark_gap_events" [] NONE USAGE
        "Sequence numbers that producers have announced and that are not committed";
    USAGE_WATERMARK_GAP_AGE: Gauge "maas_usage_watermark_gap_seconds" [] NONE USAGE
        "Age of the oldest gap in a producer's sequence";
    KEYS_OPERATIONS: Counter "maas_keys_operations_total" ["operation", "outcome"] NONE KEYS
        "Operations on API keys: create, rotate, revoke, update";
    AUTH_LOGINS: Counter "maas_auth_logins_total" ["provider", "outcome"] NONE AUTH
        "Sign-ins by identity provider";
    AUTH_PROVIDER_UP: Gauge "maas_auth_provider_up" ["provider"] NONE AUTH
        "1 unless the last call to the identity provider failed, then 0";
    AUTH_TOKEN_VALIDATIONS: Counter "maas_auth_token_validations_total" ["kind", "outcome"] NONE AUTH
        "Checks of sessions and access tokens, and of tokens that were to be exchanged";
    AUTH_JWKS_AGE: Gauge "maas_auth_jwks_age_seconds" [] NONE AUTH
        "Since the replica last saw which signing keys there are";
    CATALOG_MODELS: Gauge "maas_catalog_models" ["state"] NONE CATALOG
        "Models in the catalogue: ready, degraded, disabled";
    CATALOG_MODEL_READY: Gauge "maas_catalog_model_ready" ["model"] NONE CATALOG
        "1 while the model has an upstream that can serve it, else 0";
    CATALOG_MODEL_INFO: Gauge "maas_catalog_model_info" ["model", "provider", "family"] NONE CATALOG
        "What a model is, for joins; always 1";
    CATALOG_SYNCS: Counter "maas_catalog_syncs_total" ["source", "outcome"] NONE CATALOG
        "Runs of discovery sources";
    CATALOG_LAST_SYNC: Gauge "maas_catalog_last_sync_timestamp_seconds" ["source"] NONE CATALOG
        "End of the source's last successful run, in seconds since the Unix epoch";
    USAGE_EVENTS: Counter "maas_usage_events_total" ["outcome"] NONE USAGE
        "Usage events received: stored, duplicate, invalid, retried, quarantined";
    USAGE_TOKENS_RECORDED: Counter "maas_usage_tokens_recorded_total" ["model", "type"] NONE USAGE
        "Tokens of stored events; must equal maas_proxy_tokens_total";
    USAGE_COST: Counter "maas_usage_cost_total" ["model", "currency"] NONE USAGE
        "Cost of stored events, in whole units of the currency";
    USAGE_EVENT_LAG: Histogram "maas_usage_event_lag_seconds" [] LAG USAGE
        "Time from the end of a request to the commit of its usage event";
    USAGE_COMMIT_DURATION: Histogram "maas_usage_commit_duration_seconds" [] DEPENDENCY USAGE
        "Time of one batch's transaction";
    USAGE_CONSUMER_PENDING: Gauge "maas_usage_consumer_pending" ["stream", "consumer"] NONE USAGE
        "Messages that the consumer has not been given yet; every replica reports, read with max";
    USAGE_CONSUMER_ACK_PENDING: Gauge "maas_usage_consumer_ack_pending" ["stream", "consumer"] NONE USAGE
        "Messages that were given to a replica and are not acknowledged yet; every replica reports, read with max";
    USAGE_CONSUMER_REDELIVERED: Counter "maas_usage_consumer_redelivered_total" ["stream", "consumer"] NONE USAGE
        "Messages that were delivered again";
    USAGE_LAST_COMMIT: Gauge "maas_usage_last_commit_timestamp_seconds" [] NONE USAGE
        "The last committed batch, in seconds since the Unix epoch";
    USAGE_QUARANTINE_ENTRIES: Gauge "maas_usage_quarantine_entries" ["kind"] NONE USAGE
        "Entries in quarantine that nobody has decided on: undecodable, invalid, outside_window, conflict, poisoned; every replica reports, read with max";
    USAGE_RECONCILIATION_DIFFERENCE: Gauge "maas_usage_reconciliation_difference" ["table", "measure"] NONE USAGE
        "By how much a table of sums differs from its entries in the last two days, in nano-units or counts; always 0 unless usage is booked wrongly; every replica reports, read with max";
    USAGE_ROLLUP_LAST_SUCCESS: Gauge "maas_usage_rollup_last_success_timestamp_seconds" ["rollup"] NONE USAGE
        "The last check that found a table of sums equal to its entries, in seconds since the Unix epoch; every replica reports, read with max";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_keeps_its_own_rules() {
        let mut names = BTreeSet::new();
        for definition in ALL {
            let name = definition.name;
            assert!(names.insert(name), "{name} is listed twice");
            assert_eq!(name.ends_with("_total"), definition.kind == Kind::Counter, "{name}");
            assert_eq!(definition.buckets == Buckets::NONE, definition.kind != Kind::Histogram, "{name}");
            assert!(definition.buckets.0.windows(2).all(|pair| pair[0] < pair[1]), "{name}");
            assert!(!definition.help.ends_with('.') && !definition.services.is_empty(), "{name}");
            for forbidden in ["key", "user", "email", "ip", "request_id", "path"] {
                assert!(!definition.labels.contains(&forbidden), "{name} has the label {forbidden}");
            }
        }
    }
}
