//! One usage event that passed every check, in the ledger's types.

use maas_types::{
    Currency, EventId, KeyId, ModelId, Operation, OrganisationId, Outcome, PriceId, TeamId, Timestamp, TokenCounts,
    UpstreamId, UsageQuality, UserId,
};
use serde::Serialize;

/// Milliseconds of a day, UTC.
const DAY_MS: i64 = 86_400_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its milliseconds are the admission time.
    pub id: EventId,
    pub key: Option<KeyId>,
    pub user: UserId,
    pub team: Option<TeamId>,
    pub organisation: Option<OrganisationId>,
    pub cost_centre: String,
    pub model_id: ModelId,
    pub model: String,
    pub catalogue_revision: u64,
    pub upstream_id: Option<UpstreamId>,
    pub upstream: String,
    pub provider: String,
    pub attempts: Vec<Attempt>,
    pub operation: Operation,
    pub stream: bool,
    pub first_byte_us: Option<u64>,
    pub completed_us: Option<u64>,
    pub tokens: TokenCounts,
    pub quality: UsageQuality,
    pub outcome: Outcome,
    pub status: u16,
    pub error_code: String,
    /// None: the model had no price at admission.
    pub price: Option<PriceId>,
    pub cost_nanos: i64,
    pub currency: Currency,
    pub discount_basis_points: u16,
    pub charges: Vec<Charge>,
    pub request_id: String,
    pub upstream_request_id: String,
    pub trace_id: String,
    pub labels: std::collections::BTreeMap<String, String>,
    pub end_user: String,
    pub fingerprint: Fingerprint,
}

/// SHA-256 over everything an event says except who sent it and under which sequence. Two events with one id and one
/// fingerprint are the same event; with different ones, somebody is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// One try at one upstream, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    pub upstream_id: Option<UpstreamId>,
    pub upstream: String,
    pub kind: String,
    pub outcome: String,
    pub status: u32,
    pub duration_ms: u64,
}

/// What a limit is charged with this event, as it is stored; the accounting of limits will read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Charge {
    /// Hexadecimal digits.
    pub limit_id: String,
    pub window_start_ms: i64,
    pub limit_version: u64,
    pub amount: i64,
}

impl Event {
    pub fn admitted_at(&self) -> Timestamp {
        self.id.created_at()
    }

    /// Days since the epoch: the partition.
    pub fn day(&self) -> i32 {
        day_of(self.admitted_at())
    }

    /// When the request ended, as far as the event says.
    pub fn completed_at(&self) -> Timestamp {
        self.admitted_at().plus(std::time::Duration::from_micros(self.completed_us.unwrap_or(0)))
    }
}

pub fn day_of(time: Timestamp) -> i32 {
    i32::try_from(time.unix_ms().div_euclid(DAY_MS)).unwrap_or(i32::MAX)
}
