//! What is summed of any group of usage.
//!
//! Guarantee: sums are exact and do not depend on the order in which they are added; currencies are never added to each
//! other.

use std::collections::BTreeMap;

use maas_types::{Currency, Outcome};

use crate::domain::latency::{BINS, percentile};

/// What is counted. A token count that names a kind is part of the one without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Count {
    Requests,
    /// Requests that ended neither in success nor by the client's own leaving.
    Errors,
    UnpricedRequests,
    InputTokens,
    CachedInputTokens,
    CacheWriteInputTokens,
    AudioInputTokens,
    OutputTokens,
    ReasoningTokens,
    AudioOutputTokens,
    Images,
}

impl Count {
    pub const ALL: [Self; 11] = [
        Self::Requests,
        Self::Errors,
        Self::UnpricedRequests,
        Self::InputTokens,
        Self::CachedInputTokens,
        Self::CacheWriteInputTokens,
        Self::AudioInputTokens,
        Self::OutputTokens,
        Self::ReasoningTokens,
        Self::AudioOutputTokens,
        Self::Images,
    ];
    /// The outcomes that are no error.
    pub const FINE: [Outcome; 2] = [Outcome::Success, Outcome::ClientCancelled];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Errors => "errors",
            Self::UnpricedRequests => "unpriced_requests",
            Self::InputTokens => "input_tokens",
            Self::CachedInputTokens => "cached_input_tokens",
            Self::CacheWriteInputTokens => "cache_write_input_tokens",
            Self::AudioInputTokens => "audio_input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::ReasoningTokens => "reasoning_tokens",
            Self::AudioOutputTokens => "audio_output_tokens",
            Self::Images => "images",
        }
    }
}

/// Which time of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Latency {
    /// From the admission to the end.
    Duration,
    /// From the admission to the first byte of the answer.
    FirstByte,
}

impl Latency {
    pub const ALL: [Self; 2] = [Self::Duration, Self::FirstByte];
}

/// What a question wants to know; the rest is neither read nor summed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    pub counts: Vec<Count>,
    pub cost: bool,
    pub latencies: Vec<Latency>,
}

impl Wanted {
    /// Everything that is cheap.
    pub fn counts_and_cost() -> Self {
        Self { counts: Count::ALL.to_vec(), cost: true, latencies: Vec::new() }
    }
}

/// The sums of one group, over any number of rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Figures {
    counts: BTreeMap<Count, i128>,
    /// Nano-units by currency. Currencies in which nothing was charged are not listed.
    costs: BTreeMap<Currency, i128>,
    histograms: BTreeMap<Latency, Bins>,
}

/// Requests by the bin of their latency.
pub type Bins = [i64; BINS];

impl Figures {
    pub fn count(&self, count: Count) -> i128 {
        self.counts.get(&count).copied().unwrap_or_default()
    }

    /// Nano-units.
    pub fn cost(&self, currency: Currency) -> i128 {
        self.costs.get(&currency).copied().unwrap_or_default()
    }

    pub fn costs(&self) -> impl Iterator<Item = (Currency, i128)> {
        self.costs.iter().map(|(currency, nanos)| (*currency, *nanos))
    }

    /// Milliseconds; None: no request got that far.
    pub fn percentile(&self, latency: Latency, quantile: f64) -> Option<f64> {
        percentile(self.histograms.get(&latency)?, quantile)
    }

    pub fn is_zero(&self) -> bool {
        let no_latencies = self.histograms.values().flatten().all(|count| *count == 0);
        self.counts.values().all(|count| *count == 0) && self.costs.is_empty() && no_latencies
    }

    pub fn add_count(&mut self, count: Count, more: i128) {
        *self.counts.entry(count).or_default() += more;
    }

    pub fn add_cost(&mut self, currency: Currency, nanos: i128) {
        let sum = self.cost(currency) + nanos;
        if sum == 0 {
            self.costs.remove(&currency);
        } else {
            self.costs.insert(currency, sum);
        }
    }

    pub fn add_bins(&mut self, latency: Latency, more: &Bins) {
        let bins = self.histograms.entry(latency).or_insert([0; BINS]);
        for (bin, more) in bins.iter_mut().zip(more) {
            *bin += more;
        }
    }

    pub fn add(&mut self, other: &Self) {
        for (count, more) in &other.counts {
            self.add_count(*count, *more);
        }
        for (currency, nanos) in &other.costs {
            self.add_cost(*currency, *nanos);
        }
        for (latency, bins) in &other.histograms {
            self.add_bins(*latency, bins);
        }
    }

    /// What is left without `part`.
    pub fn subtract(&mut self, part: &Self) {
        for (count, less) in &part.counts {
            self.add_count(*count, -less);
        }
        for (currency, nanos) in &part.costs {
            self.add_cost(*currency, -nanos);
        }
        for (latency, bins) in &part.histograms {
            self.add_bins(*latency, &bins.map(|count| -count));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_away_again_leaves_nothing() {
        let mut part = Figures::default();
        part.add_count(Count::InputTokens, 7);
        part.add_cost(Currency::USD, 1_500);
        part.add_bins(Latency::Duration, &[3; BINS]);
        let mut whole = part.clone();
        whole.add(&part);
        assert_eq!((whole.count(Count::InputTokens), whole.cost(Currency::USD)), (14, 3_000));
        whole.subtract(&part);
        assert_eq!(whole, part);
        whole.subtract(&part);
        assert!(whole.is_zero());
        assert_eq!(whole.percentile(Latency::Duration, 0.5), None);
    }

    #[test]
    fn currencies_stay_apart() {
        let (mut figures, euros) = (Figures::default(), "EUR".parse().unwrap());
        figures.add_cost(Currency::USD, 5);
        figures.add_cost(euros, 7);
        assert_eq!(figures.costs().collect::<Vec<_>>(), [(euros, 7), (Currency::USD, 5)]);
    }
}
