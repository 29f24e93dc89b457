//! What new usage adds to the sums.
//!
//! Guarantee: all tables of sums are foldings of one map, so they cannot disagree; and adding up is exact. One
//! transaction's sums fit i64 (8,255 entries of at most 10¹⁵ nano-units and 2⁴⁸ tokens each); the database refuses to go
//! beyond i64 in a row; sums over rows are i128.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use maas_types::{Timestamp, id::timestamp_of};
use uuid::Uuid;

use super::{
    correction::Correction,
    dimensions::{Dimension, DimensionValue, Dimensions},
    event::Event,
    latency::Histogram,
    measures::Measures,
};

/// The width of a rollup row: half-hour time zones fit, too.
pub const BUCKET: Duration = Duration::from_secs(15 * 60);
/// The width of a row of hours.
pub const HOUR: Duration = Duration::from_secs(60 * 60);

/// Everything that one row of sums counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sum {
    pub measures: Measures,
    /// From admission to the end.
    pub durations: Histogram,
    /// From admission to the first byte.
    pub first_bytes: Histogram,
}

/// First and last use of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUse {
    pub user_id: Uuid,
    pub first: Timestamp,
    pub last: Timestamp,
}

/// Everything that a set of new events and corrections adds.
#[derive(Debug, Clone, Default)]
pub struct Additions {
    /// By the start of the quarter hour: as fine as any sum is kept.
    quarters: HashMap<(Timestamp, Dimensions), Sum>,
    /// Ordered, as all rows are written.
    pub key_uses: BTreeMap<Uuid, KeyUse>,
}

/// Rows of one table by their keys. Ordered: rows are always written in the order of their keys, so that two writers
/// can never wait for each other.
pub type Folded<'a, T> = BTreeMap<(T, Vec<DimensionValue<'a>>), Sum>;

impl Additions {
    pub fn of<'a>(
        events: impl IntoIterator<Item = &'a Event>,
        corrections: impl IntoIterator<Item = &'a Correction>,
    ) -> Self {
        let mut additions = Self::default();
        for event in events {
            additions.add_event(event);
        }
        for correction in corrections {
            let quarter = correction.admitted_at.floor_to(BUCKET);
            let sum = additions.quarters.entry((quarter, correction.dimensions.clone())).or_default();
            sum.measures.add(&correction.measures);
        }
        additions
    }

    /// The rows of a table whose key is a time, made from the start of the quarter hour, and some dimensions.
    pub fn folded<T: Ord>(&self, time: impl Fn(Timestamp) -> T, dimensions: &[Dimension]) -> Folded<'_, T> {
        let mut rows = Folded::new();
        for ((quarter, of), sum) in &self.quarters {
            let values = dimensions.iter().map(|dimension| of.value(*dimension)).collect();
            rows.entry((time(*quarter), values)).or_default().add(sum);
        }
        rows
    }

    fn add_event(&mut self, event: &Event) {
        let sum = self.quarters.entry((event.admitted_at().floor_to(BUCKET), Dimensions::of(event))).or_default();
        sum.measures.add(&Measures::of(event));
        for (histogram, micros) in
            [(&mut sum.durations, event.completed_us), (&mut sum.first_bytes, event.first_byte_us)]
        {
            if let Some(micros) = micros {
                histogram.record(micros);
            }
        }
        let Some(key) = event.key else { return };
        let at = timestamp_of(event.id.uuid());
        let first_use = KeyUse { user_id: event.user.uuid(), first: at, last: at };
        let key_use = self.key_uses.entry(key.uuid()).or_insert(first_use);
        key_use.first = key_use.first.min(at);
        key_use.last = key_use.last.max(at);
    }
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.measures.add(&other.measures);
        self.durations.add(&other.durations);
        self.first_bytes.add(&other.first_bytes);
    }
}
