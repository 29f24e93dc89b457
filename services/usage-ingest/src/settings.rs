//! The `usage` section of the configuration.

use maas_runtime::config::{Faults, HumanDuration, Validate};
use maas_types::Currency;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct UsageIngestSettings {
    /// The currency of `cost` in answers; what was charged in others is listed beside it, never added.
    pub currency: Currency,
    /// A batch is closed once it has this many events; its last message may bring up to 255 more.
    pub batch_events: usize,
    /// The longest time that a batch is gathered for.
    pub batch_time: HumanDuration,
    /// A batch is closed early when nothing has come for this long.
    pub linger: HumanDuration,
}

impl Default for UsageIngestSettings {
    fn default() -> Self {
        Self {
            currency: Currency::USD,
            batch_events: 1_000,
            batch_time: HumanDuration::from_millis(100),
            linger: HumanDuration::from_millis(5),
        }
    }
}

impl Validate for UsageIngestSettings {
    fn validate(&self, faults: &mut Faults) {
        // More events of the largest cost in one batch would not fit a row of the rollups.
        if !(1..=8_000).contains(&self.batch_events) {
            faults.add("batch_events", "must be 1 to 8000");
        }
        if !(1..=1_000).contains(&self.batch_time.get().as_millis()) {
            faults.add("batch_time", "must be 1ms to 1s: events are visible only when their batch is committed");
        }
        if self.linger > self.batch_time {
            faults.add("linger", "must not be longer than batch_time");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_senseless_batches_are_not() {
        let faultless = |settings: UsageIngestSettings| {
            let mut faults = Faults::default();
            settings.validate(&mut faults);
            faults.is_empty()
        };
        assert!(faultless(UsageIngestSettings::default()));
        assert!(!faultless(UsageIngestSettings { batch_events: 0, ..Default::default() }));
        let long = HumanDuration::from_secs(2);
        assert!(!faultless(UsageIngestSettings { batch_time: long, ..Default::default() }));
        assert!(!faultless(UsageIngestSettings { linger: long, ..Default::default() }));
    }
}
