//! Named readiness checks. The process is ready when all of them are, and never again once a stop was announced.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
};
use tokio_util::sync::CancellationToken;

use crate::{
    lifecycle::Lifecycle,
    metrics::{MetricsError, MetricsRegistry, table},
};

/// The check that every process has: not stopping.
const SERVING: &str = "serving";

/// Registry of checks; clones share it.
#[derive(Debug, Clone)]
pub struct Readiness {
    shared: Arc<Shared>,
    prefix: String,
}

#[derive(Debug)]
struct Shared {
    checks: Mutex<BTreeMap<String, Result<(), String>>>,
    gauge: Family<CheckLabels, Gauge>,
    stopping: CancellationToken,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CheckLabels {
    check: String,
}

/// One line of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckState {
    pub name: String,
    /// Why it is not ready.
    pub state: Result<(), String>,
}

/// Sets one check; clones set the same one.
#[derive(Debug, Clone)]
pub struct CheckHandle {
    shared: Arc<Shared>,
    name: String,
}

impl Readiness {
    pub fn new(lifecycle: &Lifecycle, metrics: &MetricsRegistry) -> Result<Self, MetricsError> {
        let gauge = metrics.register(&table::READINESS_CHECK, Family::default())?;
        let stopping = lifecycle.stop_announced().clone();
        let shared = Arc::new(Shared { checks: Mutex::default(), gauge, stopping });
        Ok(Self { shared, prefix: String::new() })
    }

    /// The same registry with names that start with `scope.`, for several services in one process.
    pub fn scoped(&self, scope: &str) -> Self {
        Self { shared: self.shared.clone(), prefix: format!("{}{scope}.", self.prefix) }
    }

    /// A new check; not ready ("starting") until it is set.
    pub fn register(&self, name: &str) -> CheckHandle {
        let handle = CheckHandle { shared: self.shared.clone(), name: format!("{}{name}", self.prefix) };
        handle.set_failed("starting");
        handle
    }

    pub fn is_ready(&self) -> bool {
        !self.shared.stopping.is_cancelled() && self.shared.checks().values().all(Result::is_ok)
    }

    /// All checks by name, with the one that says whether the process is stopping.
    pub fn snapshot(&self) -> Vec<CheckState> {
        let serving = if self.shared.stopping.is_cancelled() { Err("stopping".to_owned()) } else { Ok(()) };
        let checks = self.shared.checks();
        let registered = checks.iter().map(|(name, state)| CheckState { name: name.clone(), state: state.clone() });
        registered.chain([CheckState { name: SERVING.to_owned(), state: serving }]).collect()
    }
}

impl CheckHandle {
    pub fn set_ok(&self) {
        self.set(Ok(()));
    }

    /// `why` is shown to whoever asks `/readyz`: no secrets.
    pub fn set_failed(&self, why: impl Into<String>) {
        self.set(Err(why.into()));
    }

    pub fn set(&self, state: Result<(), String>) {
        let labels = CheckLabels { check: self.name.clone() };
        self.shared.gauge.get_or_create(&labels).set(i64::from(state.is_ok()));
        let now_ok = state.is_ok();
        let why = state.as_ref().err().cloned().unwrap_or_default();
        let before = self.shared.checks().insert(self.name.clone(), state);
        if before.is_some_and(|before| before.is_ok() != now_ok) {
            tracing::info!(check.name = self.name, check.ok = now_ok, check.reason = why, "readiness changed");
        }
    }
}

impl Shared {
    fn checks(&self) -> MutexGuard<'_, BTreeMap<String, Result<(), String>>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_every_check_is_and_not_once_stopping() {
        let (lifecycle, metrics) = (Lifecycle::new(), MetricsRegistry::new());
        let readiness = Readiness::new(&lifecycle, &metrics).unwrap();
        let database = readiness.scoped("auth").register("database");
        let bus = readiness.register("bus");
        bus.set_ok();
        assert!(!readiness.is_ready());
        database.set_ok();
        assert!(readiness.is_ready());
        assert!(metrics.render().unwrap().contains("maas_readiness_check{check=\"auth.database\"} 1"));
        bus.set_failed("connection lost");
        assert!(!readiness.is_ready());
        bus.set_ok();
        lifecycle.stop();
        assert!(!readiness.is_ready());
        let serving = readiness.snapshot().pop().unwrap();
        assert_eq!(serving, CheckState { name: "serving".to_owned(), state: Err("stopping".to_owned()) });
    }
}
