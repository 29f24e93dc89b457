//! The `usage` section of the configuration.

use std::time::Duration;

use maas_runtime::config::{Faults, HumanDuration, Validate};
use maas_types::Currency;
use serde::{Deserialize, Serialize};

use crate::domain::period::MonthClosing;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct UsageIngestSettings {
    /// The currency of `cost` in answers; what was charged in others is listed beside it, never added.
    pub currency: Currency,
    /// A batch is closed once it has this many events and the one before is committed; its last message may bring up to
    /// 255 more. While it waits it grows, up to 8,000.
    pub batch_events: usize,
    /// The longest time that a batch is gathered for.
    pub batch_time: HumanDuration,
    /// A batch is closed early when nothing has come for this long.
    pub linger: HumanDuration,
    /// A month of the ledger is closed this long after its end (UTC). Usage of it that comes later is booked in the
    /// current month, as a line that names the month it is of.
    pub close_month_after: HumanDuration,
    /// How long raw events are kept, by days. Sums and corrections stay.
    pub raw_retention: HumanDuration,
}

const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;
/// Events admitted up to 35 days ago are taken, and de-duplicated against what is kept.
const LEAST_RETENTION: Duration = Duration::from_secs(40 * DAY);

impl UsageIngestSettings {
    pub fn month_closing(&self) -> MonthClosing {
        MonthClosing { after: self.close_month_after.get() }
    }
}

impl Default for UsageIngestSettings {
    fn default() -> Self {
        Self {
            currency: Currency::USD,
            batch_events: 1_000,
            batch_time: HumanDuration::from_millis(100),
            linger: HumanDuration::from_millis(5),
            close_month_after: HumanDuration::from_secs(10 * DAY),
            raw_retention: HumanDuration::from_secs(40 * DAY),
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
        if !(HOUR..=60 * DAY).contains(&self.close_month_after.get().as_secs()) {
            faults.add("close_month_after", "must be 1h to 60d");
        }
        if self.raw_retention.get() < LEAST_RETENTION {
            faults.add("raw_retention", "must be 40d or more: events that come late are compared with what is kept");
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
        let short = HumanDuration::from_secs(40 * DAY - 1);
        assert!(!faultless(UsageIngestSettings { raw_retention: short, ..Default::default() }));
        let at_once = HumanDuration::from_secs(0);
        assert!(!faultless(UsageIngestSettings { close_month_after: at_once, ..Default::default() }));
        let long = HumanDuration::from_secs(2);
        assert!(!faultless(UsageIngestSettings { batch_time: long, ..Default::default() }));
        assert!(!faultless(UsageIngestSettings { linger: long, ..Default::default() }));
    }
}
