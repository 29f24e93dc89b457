//! The proxy's metrics, and the handles of one model, resolved when the model's snapshot is made and not per request.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use maas_runtime::metrics::{
    MetricsError, MetricsRegistry,
    table::{self, HistogramFamily},
};
use maas_types::{Operation, Outcome, TokenCounts, UsageQuality};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
};

/// Above so many models the others share one label value.
const MOST_MODELS: usize = 500;
const OTHER_MODEL: &str = "_other";
const UNKNOWN_MODEL: &str = "_unknown";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    model: String,
    operation: &'static str,
    stream: &'static str,
    outcome: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InFlightLabels {
    model: String,
    stream: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    model: String,
    stream: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabels {
    model: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    phase: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    model: String,
    r#type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DetailLabels {
    model: String,
    detail: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QualityLabels {
    model: String,
    quality: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    model: String,
    upstream: String,
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AuthLabels {
    result: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

/// Why a key was accepted or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthReason {
    Ok,
    Missing,
    Malformed,
    Unknown,
    Revoked,
    Expired,
    Blocked,
    AddressNotAllowed,
    OperationNotAllowed,
    ModelNotAllowed,
    Unconfirmed,
}

impl AuthReason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Blocked => "blocked",
            Self::AddressNotAllowed => "address_not_allowed",
            Self::OperationNotAllowed => "operation_not_allowed",
            Self::ModelNotAllowed => "model_not_allowed",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

pub struct ProxyMetrics {
    requests: Family<RequestLabels, Counter>,
    in_flight: Family<InFlightLabels, Gauge>,
    durations: HistogramFamily<DurationLabels>,
    first_token: HistogramFamily<ModelLabels>,
    per_output_token: HistogramFamily<ModelLabels>,
    tokens: Family<TokenLabels, Counter>,
    details: Family<DetailLabels, Counter>,
    reports: Family<QualityLabels, Counter>,
    attempts: Family<AttemptLabels, Counter>,
    auth: Family<AuthLabels, Counter>,
    unpriced: Family<ModelLabels, Counter>,
    snapshot_age: Family<StateLabels, Gauge>,
    pub auth_ok: Counter,
    pub cache_hit: Counter,
    pub cache_miss: Counter,
    pub overhead_total: Histogram,
    pub overhead_auth: Histogram,
    pub overhead_route: Histogram,
    pub revocation_lag: Histogram,
    pub events_published: Counter,
    pub events_replayed: Counter,
    pub journal_events: Gauge,
    pub journal_bytes: Gauge,
    pub journal_oldest: Gauge,
    pub clock_offset: Gauge,
    known_models: Mutex<HashSet<String>>,
}

impl ProxyMetrics {
    pub fn register(registry: &MetricsRegistry) -> Result<Self, MetricsError> {
        let auth = registry.register(&table::PROXY_AUTH_DECISIONS, Family::<AuthLabels, Counter>::default())?;
        let cache = registry.register(&table::PROXY_AUTH_CACHE, Family::<ResultLabels, Counter>::default())?;
        let events = registry.register(&table::PROXY_USAGE_EVENTS, Family::<OutcomeLabels, Counter>::default())?;
        let overhead: HistogramFamily<PhaseLabels> =
            registry.register(&table::PROXY_OVERHEAD, table::PROXY_OVERHEAD.histogram_family())?;
        let phase = |phase| overhead.get_or_create_owned(&PhaseLabels { phase });
        Ok(Self {
            requests: registry.register(&table::PROXY_REQUESTS, Family::default())?,
            in_flight: registry.register(&table::PROXY_REQUESTS_IN_FLIGHT, Family::default())?,
            durations: registry
                .register(&table::PROXY_REQUEST_DURATION, table::PROXY_REQUEST_DURATION.histogram_family())?,
            first_token: registry
                .register(&table::PROXY_TIME_TO_FIRST_TOKEN, table::PROXY_TIME_TO_FIRST_TOKEN.histogram_family())?,
            per_output_token: registry
                .register(&table::PROXY_TIME_PER_OUTPUT_TOKEN, table::PROXY_TIME_PER_OUTPUT_TOKEN.histogram_family())?,
            tokens: registry.register(&table::PROXY_TOKENS, Family::default())?,
            details: registry.register(&table::PROXY_TOKEN_DETAILS, Family::default())?,
            reports: registry.register(&table::PROXY_USAGE_REPORTS, Family::default())?,
            attempts: registry.register(&table::PROXY_UPSTREAM_ATTEMPTS, Family::default())?,
            unpriced: registry.register(&table::PROXY_UNPRICED_REQUESTS, Family::default())?,
            snapshot_age: registry.register(&table::PROXY_SNAPSHOT_AGE, Family::default())?,
            auth_ok: auth.get_or_create_owned(&AuthLabels { result: "allowed", reason: AuthReason::Ok.as_str() }),
            auth,
            cache_hit: cache.get_or_create_owned(&ResultLabels { result: "hit" }),
            cache_miss: cache.get_or_create_owned(&ResultLabels { result: "miss" }),
            overhead_total: phase("total"),
            overhead_auth: phase("auth"),
            overhead_route: phase("route"),
            revocation_lag: registry
                .register(&table::PROXY_KEY_REVOCATION_LAG, table::PROXY_KEY_REVOCATION_LAG.histogram())?,
            events_published: events.get_or_create_owned(&OutcomeLabels { outcome: "published" }),
            events_replayed: events.get_or_create_owned(&OutcomeLabels { outcome: "replayed" }),
            journal_events: registry.register(&table::PROXY_JOURNAL_EVENTS, Gauge::default())?,
            journal_bytes: registry.register(&table::PROXY_JOURNAL_BYTES, Gauge::default())?,
            journal_oldest: registry.register(&table::PROXY_JOURNAL_OLDEST, Gauge::default())?,
            clock_offset: registry.register(&table::PROXY_CLOCK_OFFSET, Gauge::default())?,
            known_models: Mutex::default(),
        })
    }

    pub fn auth_refused(&self, reason: AuthReason) {
        self.auth.get_or_create(&AuthLabels { result: "denied", reason: reason.as_str() }).inc();
    }

    pub fn set_snapshot_age(&self, state: &'static str, age: Duration) {
        self.snapshot_age.get_or_create(&StateLabels { state }).set(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
    }

    /// A request that ended before a model was known.
    pub fn request_without_model(&self, operation: Operation, outcome: Outcome, code: &'static str) {
        let labels = RequestLabels {
            model: UNKNOWN_MODEL.to_owned(),
            operation: operation.as_str(),
            stream: "false",
            outcome: outcome.as_str(),
            code,
        };
        self.requests.get_or_create(&labels).inc();
    }

    /// The handles of a model. Names come from the catalogue; too many of them share one label.
    pub fn model(&self, name: &str) -> ModelMetrics {
        let mut known = self.known_models.lock().unwrap_or_else(PoisonError::into_inner);
        let is_listed = known.contains(name) || known.len() < MOST_MODELS;
        let label = if is_listed { name } else { OTHER_MODEL }.to_owned();
        known.insert(label.clone());
        drop(known);
        let in_flight = |stream| self.in_flight.get_or_create_owned(&InFlightLabels { model: label.clone(), stream });
        let tokens = |r#type| self.tokens.get_or_create_owned(&TokenLabels { model: label.clone(), r#type });
        let detail = |detail| self.details.get_or_create_owned(&DetailLabels { model: label.clone(), detail });
        let duration = |stream, outcome| {
            self.durations.get_or_create_owned(&DurationLabels { model: label.clone(), stream, outcome })
        };
        let model = || ModelLabels { model: label.clone() };
        ModelMetrics {
            in_flight: [in_flight("false"), in_flight("true")],
            durations: [
                [duration("false", "error"), duration("false", "success")],
                [duration("true", "error"), duration("true", "success")],
            ],
            first_token: self.first_token.get_or_create_owned(&model()),
            per_output_token: self.per_output_token.get_or_create_owned(&model()),
            input: tokens("input"),
            output: tokens("output"),
            details: DETAILS.map(detail),
            exact: self.quality(&label, UsageQuality::Exact),
            chat_success: [false, true]
                .map(|stream| self.request(&label, Operation::Chat, stream, Outcome::Success, "")),
            unpriced: self.unpriced.get_or_create_owned(&model()),
            label,
        }
    }

    fn request(
        &self,
        model: &str,
        operation: Operation,
        stream: bool,
        outcome: Outcome,
        code: &'static str,
    ) -> Counter {
        self.requests.get_or_create_owned(&RequestLabels {
            model: model.to_owned(),
            operation: operation.as_str(),
            stream: if stream { "true" } else { "false" },
            outcome: outcome.as_str(),
            code,
        })
    }

    fn quality(&self, model: &str, quality: UsageQuality) -> Counter {
        self.reports.get_or_create_owned(&QualityLabels { model: model.to_owned(), quality: quality.as_str() })
    }

    pub fn attempt(&self, model: &ModelMetrics, upstream: &str, kind: &'static str, outcome: Outcome) -> Counter {
        self.attempts.get_or_create_owned(&AttemptLabels {
            model: model.label.clone(),
            upstream: upstream.to_owned(),
            kind,
            outcome: outcome.as_str(),
        })
    }

    /// Counts a request that was admitted and has ended.
    pub fn settled(&self, model: &ModelMetrics, ended: &Ended) {
        let stream = usize::from(ended.stream);
        let success = usize::from(ended.outcome == Outcome::Success);
        model.durations[stream][success].observe(ended.duration.as_secs_f64());
        if ended.outcome == Outcome::Success && ended.operation == Operation::Chat {
            model.chat_success[stream].inc();
        } else {
            self.request(&model.label, ended.operation, ended.stream, ended.outcome, ended.code).inc();
        }
        match ended.quality {
            UsageQuality::Exact => model.exact.inc(),
            other => self.quality(&model.label, other).inc(),
        };
        model.input.inc_by(ended.tokens.input);
        model.output.inc_by(ended.tokens.output);
        for (counter, count) in model.details.iter().zip(detail_counts(&ended.tokens)) {
            if count > 0 {
                counter.inc_by(count);
            }
        }
        if let (true, Some(first)) = (ended.stream, ended.first_token) {
            model.first_token.observe(first.as_secs_f64());
            if ended.tokens.output >= 2 {
                let generating = ended.duration.saturating_sub(first).as_secs_f64();
                // Counts are far below 2^52, the conversion is exact.
                model.per_output_token.observe(generating / (ended.tokens.output - 1) as f64);
            }
        }
        if !ended.priced {
            model.unpriced.inc();
        }
    }
}

const DETAILS: [&str; 5] = ["cached_input", "cache_write_input", "audio_input", "reasoning_output", "audio_output"];

const fn detail_counts(tokens: &TokenCounts) -> [u64; 5] {
    [tokens.cached_input, tokens.cache_write_input, tokens.audio_input, tokens.reasoning_output, tokens.audio_output]
}

/// What is counted of a request that has ended.
pub struct Ended {
    pub operation: Operation,
    pub stream: bool,
    pub outcome: Outcome,
    pub code: &'static str,
    pub quality: UsageQuality,
    pub tokens: TokenCounts,
    pub duration: Duration,
    pub first_token: Option<Duration>,
    pub priced: bool,
}

impl ModelMetrics {
    /// The model's label value.
    pub fn label(&self) -> &str {
        &self.label
    }
}

/// The handles of one model.
pub struct ModelMetrics {
    label: String,
    /// Not streamed, streamed.
    pub in_flight: [Gauge; 2],
    durations: [[Histogram; 2]; 2],
    first_token: Histogram,
    per_output_token: Histogram,
    input: Counter,
    output: Counter,
    details: [Counter; 5],
    exact: Counter,
    chat_success: [Counter; 2],
    unpriced: Counter,
}
