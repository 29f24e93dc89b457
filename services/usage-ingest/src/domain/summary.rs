//! The answer to "how much": totals, and the same by model and by key.
//!
//! Guarantee: totals, the sum over the models and the sum over the keys are equal, since all three are folded from the
//! same rows; currencies are never added to each other.

use std::collections::BTreeMap;

use maas_types::{Currency, KeyId};

/// Sums of one group, over any number of rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sums {
    pub requests: i128,
    pub input_tokens: i128,
    pub cached_input_tokens: i128,
    pub output_tokens: i128,
    pub reasoning_tokens: i128,
    /// Nano-units by currency. Currencies in which nothing was charged are not listed.
    pub costs: BTreeMap<Currency, i128>,
}

/// What the store answers for one model, key and currency.
#[derive(Debug, Clone)]
pub struct Group {
    pub model: String,
    /// None: the request came with a token instead of a key.
    pub key: Option<KeyId>,
    pub sums: Sums,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    pub totals: Sums,
    pub by_model: BTreeMap<String, Sums>,
    pub by_key: BTreeMap<Option<KeyId>, Sums>,
}

impl Summary {
    pub fn of(groups: impl IntoIterator<Item = Group>) -> Self {
        let mut summary = Self::default();
        for group in groups {
            summary.totals.add(&group.sums);
            summary.by_key.entry(group.key).or_default().add(&group.sums);
            summary.by_model.entry(group.model).or_default().add(&group.sums);
        }
        summary
    }
}

impl Sums {
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.input_tokens += other.input_tokens;
        self.cached_input_tokens += other.cached_input_tokens;
        self.output_tokens += other.output_tokens;
        self.reasoning_tokens += other.reasoning_tokens;
        for (currency, cost) in &other.costs {
            *self.costs.entry(*currency).or_default() += cost;
        }
    }
}
