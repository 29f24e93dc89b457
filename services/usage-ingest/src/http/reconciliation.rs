//! The reconciliation on the wire.

use std::collections::BTreeMap;

use maas_types::{Cursor, Timestamp, UtcDay};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::{
        reconciliation::{Proof, SourceStanding, TableProof, missing},
        source::SourceState,
    },
    service::reconciliation::Reconciliation,
};

/// Committed ranges above a watermark that are listed; a producer with more has lost much.
const MOST_RANGES: usize = 100;

#[derive(Debug, Serialize, ToSchema)]
pub struct UsageReconciliation {
    /// Every request that was admitted before this time is in all figures.
    pub complete_until: Timestamp,
    pub totals: ReconciliationTotals,
    /// Null: the bus cannot say it now.
    pub stream: Option<ReconciliationStream>,
    /// Entries that nobody has decided on, by kind. Kinds without one are left out.
    #[schema(example = json!({"outside_window": 2}))]
    pub quarantine: BTreeMap<&'static str, u64>,
    pub proofs: Vec<UsageProof>,
    /// The producers, by name.
    pub data: Vec<UsageSource>,
    /// Null: this is the last page.
    pub next_cursor: Option<String>,
}

/// Over all producers.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReconciliationTotals {
    #[schema(example = 6)]
    pub live: u64,
    #[schema(example = 42)]
    pub closed: u64,
    #[schema(example = 0)]
    pub lost: u64,
    #[schema(example = 17)]
    pub open_requests: u64,
    /// Events that are known to exist and are not committed; those on their way are among them.
    #[schema(example = 0)]
    pub missing_events: u64,
    /// How long the oldest has been missing; null when none is.
    #[schema(example = json!(null))]
    pub missing_for_seconds: Option<u64>,
}

/// Messages of the usage stream.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReconciliationStream {
    /// Not handed out yet.
    #[schema(example = 0)]
    pub pending: u64,
    /// Handed out, not committed yet.
    #[schema(example = 3)]
    pub unacknowledged: u64,
    /// Of these, handed out more than once.
    #[schema(example = 0)]
    pub redelivered: u64,
}

/// One thread of one start of one proxy.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageSource {
    /// instance/boot/worker
    #[schema(example = "019a9c3b5f0e7c42a1d38b6f0c9e4a57/8d1f0c9e4a570e7c42a1d38b6f5f0e7c/0")]
    pub source: String,
    /// live; closed: it has said its last word; lost: silent for 15 minutes without having said so.
    #[schema(example = "live")]
    pub state: &'static str,
    /// The highest number that it has named.
    #[schema(example = 311)]
    pub announced: u64,
    /// All numbers up to this one are committed.
    #[schema(example = 311)]
    pub committed_through: u64,
    /// What is committed above, at most 100 ranges.
    pub committed_above: Vec<SequenceRange>,
    #[schema(example = 0)]
    pub missing_events: u64,
    /// Since the oldest of them was announced. Null: none is missing, or none was announced.
    #[schema(example = json!(null))]
    pub missing_for_seconds: Option<u64>,
    /// Missing for more than is normal: asked for again, and counted in `maas_usage_watermark_gap_events`.
    pub has_gap: bool,
    #[schema(example = 4)]
    pub open_requests: u64,
    pub oldest_open_admission: Option<Timestamp>,
    pub last_heartbeat_at: Option<Timestamp>,
    pub last_heard_at: Timestamp,
    pub first_seen_at: Timestamp,
    /// What it admitted before this time is in all figures.
    pub confirmed_until: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SequenceRange {
    #[schema(example = 313)]
    pub first: u64,
    #[schema(example = 320)]
    pub last: u64,
}

/// One day's check: every table of sums against what it is the sum of.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageProof {
    #[schema(example = "2026-11-20")]
    pub day: String,
    /// When the check began: everything that was committed before is in it. Up to 60 seconds ago if a day was asked for.
    pub checked_at: Timestamp,
    /// Nothing differs.
    #[schema(example = true)]
    pub equal: bool,
    /// `usage_entries`, or `usage_rollups` where the raw events of the day are gone.
    #[schema(example = "usage_entries")]
    pub compared_with: String,
    /// Requests of that day.
    #[schema(example = 86_400)]
    pub requests: u64,
    pub tables: Vec<UsageTableProof>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UsageTableProof {
    #[schema(example = "usage_rollups")]
    pub table: String,
    /// By measure, in nano-units or counts: the sum of the absolute differences. Empty is the proof.
    #[schema(example = json!({}))]
    pub differences: BTreeMap<String, i64>,
    /// The first groups that differ.
    pub groups: Vec<UsageGroupDifference>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct UsageGroupDifference {
    #[schema(example = "llama-3.1-8b-instruct")]
    pub model: String,
    #[schema(example = "USD")]
    pub currency: String,
    /// By measure: what the table has more than it should.
    #[schema(example = json!({"cost_nanos": -1500}))]
    pub differences: BTreeMap<String, i64>,
}

impl UsageReconciliation {
    pub fn to_api(answer: Reconciliation) -> Self {
        let now = answer.now;
        let totals = answer.totals;
        Self {
            complete_until: answer.complete_until,
            totals: ReconciliationTotals {
                live: totals.live,
                closed: totals.closed,
                lost: totals.lost,
                open_requests: totals.open_requests,
                missing_events: totals.missing_events,
                missing_for_seconds: totals.missing_since.map(|since| now.since(since).as_secs()),
            },
            stream: answer.stream.map(|stream| ReconciliationStream {
                pending: stream.pending,
                unacknowledged: stream.unacknowledged,
                redelivered: stream.redelivered,
            }),
            quarantine: answer.quarantine.into_iter().map(|(kind, entries)| (kind.as_str(), entries)).collect(),
            proofs: answer.proofs.into_iter().map(|(day, (at, proof))| proof_to_api(UtcDay(day), at, proof)).collect(),
            data: answer.sources.iter().map(|(name, source)| source_to_api(name, source, now)).collect(),
            next_cursor: answer.next.map(|name| Cursor::encode(&name).into_string()),
        }
    }
}

fn source_to_api(name: &str, source: &SourceState, now: Timestamp) -> UsageSource {
    let missing = missing(source, now);
    let ranges = source.committed.above().take(MOST_RANGES);
    UsageSource {
        source: name.to_owned(),
        state: SourceStanding::of(source, now).as_str(),
        announced: source.announced,
        committed_through: source.committed.through(),
        committed_above: ranges.map(|(first, last)| SequenceRange { first, last }).collect(),
        missing_events: missing.events,
        missing_for_seconds: missing.since.map(|since| now.since(since).as_secs()),
        has_gap: missing.is_gap,
        open_requests: source.open_requests,
        oldest_open_admission: source.oldest_open_admission,
        last_heartbeat_at: source.last_heartbeat_at,
        last_heard_at: source.last_heard_at,
        first_seen_at: source.first_seen_at,
        confirmed_until: source.confirmed_until,
    }
}

fn proof_to_api(day: UtcDay, checked_at: Timestamp, proof: Proof) -> UsageProof {
    UsageProof {
        day: day.to_string(),
        checked_at,
        equal: proof.is_equal(),
        compared_with: proof.compared_with,
        requests: proof.requests,
        tables: proof.tables.into_iter().map(table_to_api).collect(),
    }
}

fn table_to_api(table: TableProof) -> UsageTableProof {
    let groups = table.groups.into_iter().map(|difference| UsageGroupDifference {
        model: difference.group.model,
        currency: difference.group.currency,
        differences: difference.differences,
    });
    UsageTableProof { table: table.table, differences: table.differences, groups: groups.collect() }
}
