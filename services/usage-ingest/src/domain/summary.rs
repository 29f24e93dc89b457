//! Totals of one key, for the key's own question about itself.

use std::collections::BTreeMap;

use maas_types::Currency;

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
