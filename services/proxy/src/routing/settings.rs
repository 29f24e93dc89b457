//! `proxy.routing`: when an upstream counts as failing, how often a request is tried, how upstreams are checked.

use maas_runtime::config::{Faults, HumanDuration, Validate};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoutingSettings {
    /// Failures in a row that open an upstream's circuit.
    pub consecutive_failures: u32,
    /// Share of failures in the last 10 s that opens it, in percent …
    pub failure_ratio_percent: u32,
    /// … once so many calls ended in that time.
    pub minimum_requests: u32,
    /// How long a circuit stays open at first. Doubles each time the upstream turns out not to be back.
    pub ejection: HumanDuration,
    pub longest_ejection: HumanDuration,
    /// After this time a request that shows whether an upstream is back does not keep others from showing it.
    pub probe_timeout: HumanDuration,
    /// Calls for one request to the upstreams of one model.
    pub attempts: u32,
    /// Whether a request whose upstream did not answer in time is tried once more. The first may still work on it.
    pub retry_timeouts: bool,
    /// Retries in 10 s for 100 requests to the model in that time …
    pub retry_percent: u32,
    /// … and so many in each second besides.
    pub retries_per_second: u32,
    /// How often an upstream with a health path is asked.
    pub check_interval: HumanDuration,
    pub check_timeout: HumanDuration,
    /// How often the other services are told how the upstreams are.
    pub report_interval: HumanDuration,
}

impl Default for RoutingSettings {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            failure_ratio_percent: 50,
            minimum_requests: 20,
            ejection: HumanDuration::from_secs(5),
            longest_ejection: HumanDuration::from_secs(300),
            probe_timeout: HumanDuration::from_secs(30),
            attempts: 3,
            retry_timeouts: false,
            retry_percent: 20,
            retries_per_second: 3,
            check_interval: HumanDuration::from_secs(10),
            check_timeout: HumanDuration::from_secs(3),
            report_interval: HumanDuration::from_secs(5),
        }
    }
}

impl Validate for RoutingSettings {
    fn validate(&self, faults: &mut Faults) {
        let counts = [
            ("consecutive_failures", self.consecutive_failures),
            ("minimum_requests", self.minimum_requests),
            ("attempts", self.attempts),
        ];
        for (name, _) in counts.iter().filter(|(_, value)| *value == 0) {
            faults.add(name, "must be at least 1");
        }
        if self.attempts > 10 {
            faults.add("attempts", "must be at most 10");
        }
        if !(1..=100).contains(&self.failure_ratio_percent) {
            faults.add("failure_ratio_percent", "must be 1 to 100");
        }
        if self.retry_percent > 100 {
            faults.add("retry_percent", "must be at most 100");
        }
        let durations = [
            ("ejection", self.ejection),
            ("probe_timeout", self.probe_timeout),
            ("check_interval", self.check_interval),
            ("check_timeout", self.check_timeout),
            ("report_interval", self.report_interval),
        ];
        for (name, _) in durations.iter().filter(|(_, value)| value.get().is_zero()) {
            faults.add(name, "must be more than 0");
        }
        if self.longest_ejection < self.ejection {
            faults.add("longest_ejection", "must not be less than ejection");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(change: impl FnOnce(&mut RoutingSettings)) -> Faults {
        let mut settings = RoutingSettings::default();
        change(&mut settings);
        let mut faults = Faults::default();
        settings.validate(&mut faults);
        faults
    }

    #[test]
    fn the_defaults_are_valid() {
        assert!(faults(|_| {}).is_empty());
    }

    #[test]
    fn settings_that_would_never_call_an_upstream_are_refused() {
        assert!(!faults(|settings| settings.attempts = 0).is_empty());
        assert!(!faults(|settings| settings.failure_ratio_percent = 0).is_empty());
        assert!(!faults(|settings| settings.check_interval = HumanDuration::default()).is_empty());
        assert!(!faults(|settings| settings.longest_ejection = HumanDuration::from_millis(1)).is_empty());
    }
}
