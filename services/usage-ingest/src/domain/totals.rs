//! Sums: what one event adds to the rollup and the ledger, and what rows add up to.
//!
//! Guarantee: sums are exact. One transaction's sums fit i64 (1,000 events of at most 10¹⁵ nano-units and 2⁴⁸ tokens);
//! the database refuses to go beyond i64 in a row; sums over rows are i128.

use std::{collections::BTreeMap, time::Duration};

use maas_types::{Timestamp, id::timestamp_of};
use uuid::Uuid;

use super::event::Event;

/// The width of a rollup row: half-hour time zones fit, too.
pub const BUCKET: Duration = Duration::from_secs(15 * 60);

/// What is counted, in database width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measures {
    pub requests: i64,
    pub unpriced_requests: i64,
    pub input: i64,
    pub cached_input: i64,
    pub cache_write_input: i64,
    pub audio_input: i64,
    pub output: i64,
    pub reasoning_output: i64,
    pub audio_output: i64,
    pub images: i64,
    pub cost_nanos: i64,
}

/// The key of a rollup row. Missing ids are the nil UUID, so that a unique key holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RollupKey {
    pub bucket_start: Timestamp,
    pub key_id: Uuid,
    pub user_id: Uuid,
    pub team_id: Uuid,
    pub organisation_id: Uuid,
    pub cost_centre: String,
    pub model: String,
    pub upstream: String,
    pub operation: &'static str,
    pub outcome: &'static str,
    pub currency: String,
}

/// The key of a ledger row: what chargeback is written from. Missing ids are the nil UUID.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LedgerKey {
    /// Calendar month of the admission, UTC, as year × 100 + month.
    pub month: i32,
    pub team_id: Uuid,
    pub cost_centre: String,
    pub user_id: Uuid,
    pub key_id: Uuid,
    pub model: String,
    pub currency: String,
}

/// First and last use of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUse {
    pub user_id: Uuid,
    pub first: Timestamp,
    pub last: Timestamp,
}

/// Everything a set of new events adds. The maps are ordered: rows are always written in the order of their keys, so
/// that two writers can never wait for each other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Additions {
    pub rollups: BTreeMap<RollupKey, Measures>,
    pub ledger: BTreeMap<LedgerKey, Measures>,
    pub key_uses: BTreeMap<Uuid, KeyUse>,
}

impl Additions {
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut additions = Self::default();
        for event in events {
            additions.add(event);
        }
        additions
    }

    fn add(&mut self, event: &Event) {
        let measures = Measures::of(event);
        self.rollups.entry(RollupKey::of(event)).or_default().add(&measures);
        self.ledger.entry(LedgerKey::of(event)).or_default().add(&measures);
        let Some(key) = event.key else { return };
        let at = timestamp_of(event.id.uuid());
        let first_use = KeyUse { user_id: event.user.uuid(), first: at, last: at };
        let key_use = self.key_uses.entry(key.uuid()).or_insert(first_use);
        key_use.first = key_use.first.min(at);
        key_use.last = key_use.last.max(at);
    }
}

impl Measures {
    pub fn of(event: &Event) -> Self {
        let tokens = &event.tokens;
        // Validation keeps counts far below i64.
        let count = maas_store::ids::unsigned_to_db;
        Self {
            requests: 1,
            unpriced_requests: i64::from(event.price.is_none()),
            input: count(tokens.input),
            cached_input: count(tokens.cached_input),
            cache_write_input: count(tokens.cache_write_input),
            audio_input: count(tokens.audio_input),
            output: count(tokens.output),
            reasoning_output: count(tokens.reasoning_output),
            audio_output: count(tokens.audio_output),
            images: count(tokens.images),
            cost_nanos: event.cost_nanos,
        }
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.unpriced_requests += other.unpriced_requests;
        self.input += other.input;
        self.cached_input += other.cached_input;
        self.cache_write_input += other.cache_write_input;
        self.audio_input += other.audio_input;
        self.output += other.output;
        self.reasoning_output += other.reasoning_output;
        self.audio_output += other.audio_output;
        self.images += other.images;
        self.cost_nanos += other.cost_nanos;
    }
}

impl RollupKey {
    fn of(event: &Event) -> Self {
        Self {
            bucket_start: event.admitted_at().floor_to(BUCKET),
            key_id: event.key.map_or(Uuid::nil(), |key| key.uuid()),
            user_id: event.user.uuid(),
            team_id: event.team.map_or(Uuid::nil(), |team| team.uuid()),
            organisation_id: event.organisation.map_or(Uuid::nil(), |organisation| organisation.uuid()),
            cost_centre: event.cost_centre.clone(),
            model: event.model.clone(),
            upstream: event.upstream.clone(),
            operation: event.operation.as_str(),
            outcome: event.outcome.as_str(),
            currency: event.currency.to_string(),
        }
    }
}

impl LedgerKey {
    fn of(event: &Event) -> Self {
        Self {
            month: super::period::month_of(event.admitted_at()),
            team_id: event.team.map_or(Uuid::nil(), |team| team.uuid()),
            cost_centre: event.cost_centre.clone(),
            user_id: event.user.uuid(),
            key_id: event.key.map_or(Uuid::nil(), |key| key.uuid()),
            model: event.model.clone(),
            currency: event.currency.to_string(),
        }
    }
}
