//! What every part of a process shares, handed to each service when it is composed.

use std::sync::Arc;

use maas_types::{Clock, SystemClock};

use crate::{
    lifecycle::Lifecycle,
    metrics::{MetricsError, MetricsRegistry},
    readiness::Readiness,
};

/// One per process; clones share it.
#[derive(Clone)]
pub struct Process {
    pub lifecycle: Lifecycle,
    pub metrics: MetricsRegistry,
    pub readiness: Readiness,
    pub clock: Arc<dyn Clock>,
}

impl Process {
    pub fn new() -> Result<Self, MetricsError> {
        let lifecycle = Lifecycle::new();
        let metrics = MetricsRegistry::new();
        metrics.register_build_info(env!("CARGO_PKG_VERSION"), option_env!("MAAS_REVISION").unwrap_or("unknown"))?;
        let readiness = Readiness::new(&lifecycle, &metrics)?;
        Ok(Self { lifecycle, metrics, readiness, clock: Arc::new(SystemClock) })
    }
}
