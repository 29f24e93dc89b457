//! How the proxies find the upstreams, and what that says about a model.

use std::time::Duration;

use maas_types::{Timestamp, UpstreamId};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// How long a proxy is believed after its last report; it sends one every few seconds.
pub const BELIEVED_FOR: Duration = Duration::from_secs(30);

/// Whether a proxy calls an upstream: normally, one request at a time to see whether it is back, or only when there is
/// no other. `unknown`: no proxy has reported it. In the order from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CatalogCircuit)]
pub enum Circuit {
    Unknown,
    Closed,
    HalfOpen,
    Open,
}

/// What a proxy's last health check of an upstream said; `none` when it makes none or has made none yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CatalogHealthCheck)]
pub enum HealthCheck {
    Passed,
    Failed,
    #[serde(rename = "none")]
    NotMade,
}

/// A model as a whole: every upstream is called, some are not, none is, or no proxy has reported any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CatalogHealthStatus)]
pub enum HealthStatus {
    Ok,
    Degraded,
    Down,
    Unknown,
}

/// One message of a proxy: some of the upstreams it knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyReport {
    pub instance: Uuid,
    /// On the proxy's clock; it only puts the proxy's own reports in order.
    pub sent_at: Timestamp,
    pub upstreams: Vec<(UpstreamId, UpstreamView)>,
}

/// How one proxy finds one upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamView {
    pub circuit: Circuit,
    /// None while the circuit is closed.
    pub open_until: Option<Timestamp>,
    pub consecutive_failures: u32,
    pub in_flight: u32,
    pub last_success: Option<Timestamp>,
    pub last_failure: Option<Timestamp>,
    /// An outcome or a class of errors, never free text.
    pub last_failure_reason: Option<String>,
    pub check: HealthCheck,
}

/// The worst that any proxy says.
pub fn worst(circuits: impl Iterator<Item = Circuit>) -> Circuit {
    circuits.max().unwrap_or(Circuit::Unknown)
}

/// The model's status from the circuits of those upstreams that could answer its clients.
pub fn status(circuits: &[Circuit]) -> HealthStatus {
    let is_any = |wanted: &dyn Fn(Circuit) -> bool| circuits.iter().any(|circuit| wanted(*circuit));
    if !is_any(&|circuit| circuit != Circuit::Unknown) {
        HealthStatus::Unknown
    } else if circuits.iter().all(|circuit| *circuit == Circuit::Open) {
        HealthStatus::Down
    } else if is_any(&|circuit| matches!(circuit, Circuit::Open | Circuit::HalfOpen)) {
        HealthStatus::Degraded
    } else {
        HealthStatus::Ok
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_circuit_counts() {
        assert_eq!(worst([].into_iter()), Circuit::Unknown);
        assert_eq!(worst([Circuit::Closed, Circuit::Open, Circuit::HalfOpen].into_iter()), Circuit::Open);
        assert_eq!(worst([Circuit::HalfOpen, Circuit::Closed].into_iter()), Circuit::HalfOpen);
    }

    #[test]
    fn a_model_is_down_only_when_every_upstream_is_open() {
        use Circuit::{Closed, HalfOpen, Open, Unknown};
        for (circuits, expected) in [
            (vec![], HealthStatus::Unknown),
            (vec![Unknown, Unknown], HealthStatus::Unknown),
            (vec![Closed, Unknown], HealthStatus::Ok),
            (vec![Closed, Open], HealthStatus::Degraded),
            (vec![HalfOpen], HealthStatus::Degraded),
            (vec![Open, Unknown], HealthStatus::Degraded),
            (vec![Open, Open], HealthStatus::Down),
        ] {
            assert_eq!(status(&circuits), expected, "{circuits:?}");
        }
    }
}
