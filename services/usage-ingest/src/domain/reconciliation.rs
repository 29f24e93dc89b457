//! The proof that no usage is missing: how each source stands, and whether every sum is the sum of its entries.

use std::collections::{BTreeMap, BTreeSet};

use maas_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    completeness::{GAP_AFTER, is_lost},
    measures::MEASURE_COLUMNS,
    source::SourceState,
};

/// Groups that are told one by one; the sum is over all of them.
const MOST_GROUPS: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceStanding {
    /// It was heard of a short while ago.
    Live,
    /// It has said its last word. What it announced and is missing stays visible.
    Closed,
    /// Silent for too long, and it has not said that it ends.
    Lost,
}

impl SourceStanding {
    pub const ALL: [Self; 3] = [Self::Live, Self::Closed, Self::Lost];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Closed => "closed",
            Self::Lost => "lost",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.as_str() == text)
    }

    pub fn of(source: &SourceState, now: Timestamp) -> Self {
        match source {
            source if source.closed => Self::Closed,
            source if is_lost(source, now) => Self::Lost,
            _ => Self::Live,
        }
    }
}

/// Sequences of a source that are known to exist and are not committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Missing {
    pub events: u64,
    /// When the oldest of them was announced; None while none was: they lie below one that is committed.
    pub since: Option<Timestamp>,
    /// It is missing for so long that it is no longer taken to be on its way.
    pub is_gap: bool,
}

/// Below what the source announced, and below what is committed of it.
pub fn missing(source: &SourceState, now: Timestamp) -> Missing {
    let last = source.committed.above().last().map_or(0, |(_, last)| last).max(source.announced);
    let since = source.pending.map(|pending| pending.heard_at);
    Missing {
        events: source.committed.missing_up_to(last),
        since,
        is_gap: since.is_some_and(|since| now.since(since) >= GAP_AFTER),
    }
}

/// What all sources together come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceTotals {
    pub live: u64,
    pub closed: u64,
    pub lost: u64,
    pub open_requests: u64,
    pub missing_events: u64,
    /// Since when the oldest is missing.
    pub missing_since: Option<Timestamp>,
}

/// What a sum is kept by in every table of sums.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Group {
    pub model: String,
    pub currency: String,
}

/// The measures of each group, in the order of their columns.
pub type GroupSums = BTreeMap<Group, [i128; MEASURE_COLUMNS.len()]>;

/// One day's check. Differences are what a table has more than it should; 0 everywhere is the proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// What the tables were compared with: the entries, or, where the raw events are gone, the quarter hours.
    pub compared_with: String,
    /// How many requests these come to.
    pub requests: u64,
    pub tables: Vec<TableProof>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableProof {
    pub table: String,
    /// By measure, the sum of the absolute differences of all groups; measures without a difference are left out.
    pub differences: BTreeMap<String, i64>,
    /// The first groups that differ.
    pub groups: Vec<GroupDifference>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupDifference {
    #[serde(flatten)]
    pub group: Group,
    /// By measure: what the table has more than it should.
    pub differences: BTreeMap<String, i64>,
}

impl Proof {
    pub fn is_equal(&self) -> bool {
        self.tables.iter().all(|table| table.differences.is_empty())
    }
}

impl TableProof {
    pub fn of(table: &str, sums: &GroupSums, expected: &GroupSums) -> Self {
        let mut absolute = [0_i128; MEASURE_COLUMNS.len()];
        let mut groups = Vec::new();
        for group in sums.keys().chain(expected.keys()).collect::<BTreeSet<_>>() {
            let (has, should) =
                (sums.get(group).copied().unwrap_or_default(), expected.get(group).copied().unwrap_or_default());
            let mut more = [0_i128; MEASURE_COLUMNS.len()];
            for (((more, sum), has), should) in more.iter_mut().zip(&mut absolute).zip(has).zip(should) {
                *more = has - should;
                *sum += more.abs();
            }
            let differences = named(&more);
            if !differences.is_empty() && groups.len() < MOST_GROUPS {
                groups.push(GroupDifference { group: group.clone(), differences });
            }
        }
        Self { table: table.to_owned(), differences: named(&absolute), groups }
    }
}

fn named(values: &[i128; MEASURE_COLUMNS.len()]) -> BTreeMap<String, i64> {
    let saturated = |value: i128| i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX });
    let pairs = MEASURE_COLUMNS.into_iter().zip(values).filter(|(_, value)| **value != 0);
    pairs.map(|(name, value)| (name.to_owned(), saturated(*value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(rows: &[(&str, i128)]) -> GroupSums {
        let group = |model: &str| Group { model: model.to_owned(), currency: "USD".to_owned() };
        rows.iter()
            .map(|(model, cost)| (group(model), std::array::from_fn(|at| if at == 10 { *cost } else { 1 })))
            .collect()
    }

    #[test]
    fn differences_of_two_groups_do_not_cancel_each_other() {
        let expected = sums(&[("llama", 500), ("qwen", 300)]);
        assert!(TableProof::of("rollups", &expected, &expected).differences.is_empty());
        let moved = TableProof::of("rollups", &sums(&[("llama", 510), ("qwen", 290)]), &expected);
        assert_eq!(moved.differences, BTreeMap::from([("cost_nanos".to_owned(), 20)]));
        let of_groups: Vec<_> =
            moved.groups.iter().map(|row| (row.group.model.as_str(), row.differences["cost_nanos"])).collect();
        assert_eq!(of_groups, [("llama", 10), ("qwen", -10)]);
    }

    #[test]
    fn a_group_that_is_not_there_differs_in_everything() {
        let lost = TableProof::of("rollups", &sums(&[]), &sums(&[("llama", 500)]));
        assert_eq!(
            (lost.differences.len(), lost.differences["requests"], lost.groups[0].differences["requests"]),
            (11, 1, -1)
        );
    }

    #[test]
    fn what_lies_below_a_committed_one_is_missing_before_it_is_announced() {
        let at = Timestamp::from_unix_ms(1_000_000);
        let mut source = SourceState::new(at, at);
        source.record(3, 4, at);
        assert_eq!(missing(&source, at), Missing { events: 2, since: None, is_gap: false });
        source.hear_close(5, at);
        let later = at.plus(GAP_AFTER);
        assert_eq!(missing(&source, later), Missing { events: 3, since: Some(at), is_gap: true });
        assert_eq!(SourceStanding::of(&source, later), SourceStanding::Closed);
    }
}
