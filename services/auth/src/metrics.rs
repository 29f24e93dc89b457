//! What this service counts.

use std::sync::atomic::{AtomicU64, Ordering};

use maas_runtime::metrics::{MetricsError, MetricsRegistry, table};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProviderLabels {
    provider: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoginLabels {
    provider: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ValidationLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginOutcome {
    Success,
    Refused,
    /// Not tried: too many attempts.
    Limited,
    Failed,
}

impl LoginOutcome {
    const ALL: [Self; 4] = [Self::Success, Self::Refused, Self::Limited, Self::Failed];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Refused => "refused",
            Self::Limited => "limited",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValidationOutcome {
    Valid,
    Invalid,
    /// It could not be found out.
    Failed,
}

impl ValidationOutcome {
    const ALL: [Self; 3] = [Self::Valid, Self::Invalid, Self::Failed];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Failed => "failed",
        }
    }
}

impl LoginLabels {
    fn new(provider: &str, outcome: LoginOutcome) -> Self {
        Self { provider: provider.to_owned(), outcome: outcome.as_str() }
    }
}

#[derive(Debug)]
pub struct AuthMetrics {
    logins: Family<LoginLabels, Counter>,
    providers: Family<ProviderLabels, Gauge>,
    validations: Family<ValidationLabels, Counter>,
    /// Seconds.
    pub signing_keys_age: Gauge,
    outbox_pending: Gauge<i64>,
    /// What this service has added to the shared gauge.
    own_pending: AtomicU64,
}

impl AuthMetrics {
    pub fn register(registry: &MetricsRegistry, providers: &[&str]) -> Result<Self, MetricsError> {
        let metrics = Self {
            logins: registry.register(&table::AUTH_LOGINS, Family::default())?,
            providers: registry.register(&table::AUTH_PROVIDER_UP, Family::default())?,
            validations: registry.register(&table::AUTH_TOKEN_VALIDATIONS, Family::default())?,
            signing_keys_age: registry.register(&table::AUTH_JWKS_AGE, Gauge::default())?,
            outbox_pending: registry.register(&table::OUTBOX_PENDING, Gauge::default())?,
            own_pending: AtomicU64::new(0),
        };
        // From the start at 0, so that a first failure is seen as an increase.
        for provider in providers {
            for outcome in LoginOutcome::ALL {
                metrics.logins.get_or_create_owned(&LoginLabels::new(provider, outcome));
            }
        }
        for kind in ["session", "token", "exchange"] {
            for outcome in ValidationOutcome::ALL {
                metrics.validations.get_or_create_owned(&ValidationLabels { kind, outcome: outcome.as_str() });
            }
        }
        Ok(metrics)
    }

    /// `provider` is the id of one that is switched on, never a text of a caller.
    pub fn login(&self, provider: &str, outcome: LoginOutcome) {
        self.logins.get_or_create(&LoginLabels::new(provider, outcome)).inc();
    }

    /// 1 unless the last call to the provider failed.
    pub fn provider_up(&self, provider: &str) -> Gauge {
        self.providers.get_or_create_owned(&ProviderLabels { provider: provider.to_owned() })
    }

    pub fn validation(&self, kind: &'static str, outcome: ValidationOutcome) {
        self.validations.get_or_create(&ValidationLabels { kind, outcome: outcome.as_str() }).inc();
    }

    /// Several services may share the gauge, so it is moved by the difference. Called by the relay only.
    pub fn outbox_pending(&self, pending: u64) {
        let before = self.own_pending.swap(pending, Ordering::Relaxed);
        let difference = pending.cast_signed() - before.cast_signed();
        self.outbox_pending.inc_by(difference);
    }
}
