//! The figures that series are drawn of and lists are sorted by.

use maas_types::Currency;

use super::figures::{Count, Figures, Latency, Wanted};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    Count(Count),
    /// Input and output together.
    TotalTokens,
    /// In one currency; what was charged in others is not in it.
    Cost,
    /// The time that this share of the requests, in per cent, did not exceed.
    Percentile(Latency, u8),
}

/// The value of a metric, in its own unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MetricValue {
    Count(i128),
    CostNanos(i128),
    /// None: there was no request to measure.
    Milliseconds(Option<f64>),
}

const PERCENTILES: [(&str, Metric); 6] = [
    ("latency_p50", Metric::Percentile(Latency::Duration, 50)),
    ("latency_p95", Metric::Percentile(Latency::Duration, 95)),
    ("latency_p99", Metric::Percentile(Latency::Duration, 99)),
    ("ttft_p50", Metric::Percentile(Latency::FirstByte, 50)),
    ("ttft_p95", Metric::Percentile(Latency::FirstByte, 95)),
    ("ttft_p99", Metric::Percentile(Latency::FirstByte, 99)),
];

impl Metric {
    pub fn all() -> impl Iterator<Item = (&'static str, Self)> {
        let counts = Count::ALL.into_iter().map(|count| (count.as_str(), Self::Count(count)));
        counts.chain([("total_tokens", Self::TotalTokens), ("cost", Self::Cost)]).chain(PERCENTILES)
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::all().find(|(name, _)| *name == text).map(|(_, metric)| metric)
    }

    pub fn as_str(self) -> &'static str {
        Self::all().find(|(_, metric)| *metric == self).map_or("", |(name, _)| name)
    }

    /// What must be summed to know it.
    pub fn wanted(self) -> Wanted {
        match self {
            Self::Count(count) => Wanted { counts: vec![count], ..Wanted::default() },
            Self::TotalTokens => Wanted { counts: vec![Count::InputTokens, Count::OutputTokens], ..Wanted::default() },
            Self::Cost => Wanted { cost: true, ..Wanted::default() },
            Self::Percentile(latency, _) => Wanted { latencies: vec![latency], ..Wanted::default() },
        }
    }

    /// What groups are ranked by when only the largest are shown. A percentile of few requests says little, so there
    /// the ones with the most requests are.
    pub const fn rank(self) -> Self {
        match self {
            Self::Percentile(..) => Self::Count(Count::Requests),
            other => other,
        }
    }

    pub fn value(self, figures: &Figures, currency: Currency) -> MetricValue {
        match self {
            Self::Count(count) => MetricValue::Count(figures.count(count)),
            Self::TotalTokens => {
                MetricValue::Count(figures.count(Count::InputTokens) + figures.count(Count::OutputTokens))
            }
            Self::Cost => MetricValue::CostNanos(figures.cost(currency)),
            Self::Percentile(latency, per_cent) => {
                MetricValue::Milliseconds(figures.percentile(latency, f64::from(per_cent) / 100.0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_one_name() {
        for (name, metric) in Metric::all() {
            assert_eq!((Metric::parse(name), metric.as_str()), (Some(metric), name));
        }
        assert_eq!(Metric::parse("happiness"), None);
    }
}
