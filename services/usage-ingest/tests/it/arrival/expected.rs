//! What a history adds up to, worked out from its pieces without a ledger: of each request the best content, once, and
//! each correction once.

use std::collections::BTreeMap;

use maas_events::usage::UsageEvent;
use maas_types::Timestamp;
use maas_usage_ingest::{
    domain::{
        correction::Correction,
        dimensions::{Dimension, DimensionValue},
        measures::Measures,
    },
    store::{
        key_use,
        sums::{DAILY, LEDGER, OVERVIEW, OVERVIEW_DAILY, OVERVIEW_HOURLY, ROLLUPS, SumsTable},
    },
};
use uuid::Uuid;

use super::history::History;
use crate::{
    sums::SumRow,
    world::{Books, closing, now},
};

pub fn quarter(at_ms: i64) -> Vec<i64> {
    vec![at_ms.div_euclid(900_000) * 900_000]
}

pub fn hour(at_ms: i64) -> Vec<i64> {
    vec![at_ms.div_euclid(3_600_000) * 3_600_000]
}

pub fn day(at_ms: i64) -> Vec<i64> {
    vec![at_ms.div_euclid(86_400_000)]
}

/// In which month it is booked when it comes now, and which it is of.
pub fn month(at_ms: i64) -> Vec<i64> {
    let months = closing().month_for(Timestamp::from_unix_ms(at_ms), now());
    vec![months.month.into(), months.of_month.into()]
}

/// As [`Books::measures`] shows them.
pub fn books(history: &History) -> Books {
    let amounts: Vec<_> =
        history.requests.iter().map(Amount::of_request).chain(history.corrections.iter().map(Amount::of)).collect();
    let books = Books {
        ledger: rows(&amounts, &LEDGER, month),
        rollups: rows(&amounts, &ROLLUPS, quarter),
        daily: rows(&amounts, &DAILY, day),
        overview: rows(&amounts, &OVERVIEW, quarter),
        overview_hourly: rows(&amounts, &OVERVIEW_HOURLY, hour),
        overview_daily: rows(&amounts, &OVERVIEW_DAILY, day),
        key_uses: key_uses(&history.requests),
    };
    books.measures()
}

/// What one request or correction adds.
struct Amount {
    at_ms: i64,
    names: BTreeMap<Dimension, String>,
    measures: Measures,
}

impl Amount {
    fn of_request(event: &UsageEvent) -> Self {
        let id = |bytes: &[u8]| Uuid::from_slice(bytes).unwrap_or_default().simple().to_string();
        let names = [
            (Dimension::Key, id(&event.key_id)),
            (Dimension::User, id(&event.user_id)),
            (Dimension::Team, id(&event.team_id)),
            (Dimension::Organisation, id(&event.organisation_id)),
            (Dimension::CostCentre, event.cost_centre.clone()),
            (Dimension::Model, event.model.clone()),
            (Dimension::Upstream, event.upstream.clone()),
            (Dimension::Operation, event.operation.clone()),
            (Dimension::Outcome, event.outcome.clone()),
            (Dimension::Currency, event.currency.clone()),
        ];
        let tokens = event.tokens.unwrap();
        let counts = [tokens.input, tokens.cached_input, tokens.cache_write_input, tokens.audio_input, tokens.output];
        let more = [tokens.reasoning_output, tokens.audio_output, tokens.images];
        let mut values = vec![1, i64::from(event.price_id.is_empty())];
        values.extend(counts.into_iter().chain(more).map(|count| i64::try_from(count).unwrap()));
        values.push(event.cost_nanos);
        let measures = Measures::from_values(values.try_into().unwrap());
        Self { at_ms: event.admitted_at_ms, names: names.into(), measures }
    }

    fn of(correction: &Correction) -> Self {
        let name = |dimension| match correction.dimensions.value(dimension) {
            DimensionValue::Id(id) => id.simple().to_string(),
            DimensionValue::Text(text) => text.to_owned(),
        };
        let names = Dimension::ALL.into_iter().map(|dimension| (dimension, name(dimension))).collect();
        Self { at_ms: correction.admitted_at.unix_ms(), names, measures: correction.measures }
    }
}

fn rows(amounts: &[Amount], table: &SumsTable, times: impl Fn(i64) -> Vec<i64>) -> Vec<SumRow> {
    let mut sums: BTreeMap<_, Measures> = BTreeMap::new();
    for amount in amounts {
        let names: Vec<_> = table.dimensions.iter().map(|dimension| amount.names[dimension].clone()).collect();
        sums.entry((times(amount.at_ms), names)).or_default().add(&amount.measures);
    }
    let row = |((times, dimensions), measures)| SumRow { times, dimensions, measures, bins: Vec::new() };
    sums.into_iter().map(row).collect()
}

fn key_uses(requests: &[UsageEvent]) -> Vec<key_use::Model> {
    let mut uses: BTreeMap<Uuid, key_use::Model> = BTreeMap::new();
    for event in requests {
        let Ok(key_id) = Uuid::from_slice(&event.key_id) else { continue };
        let (user_id, at) = (Uuid::from_slice(&event.user_id).unwrap(), event.admitted_at_ms);
        let first_use = key_use::Model { key_id, user_id, first_used_at: at, last_used_at: at };
        let key_use = uses.entry(key_id).or_insert(first_use);
        key_use.first_used_at = key_use.first_used_at.min(at);
        key_use.last_used_at = key_use.last_used_at.max(at);
    }
    uses.into_values().collect()
}
