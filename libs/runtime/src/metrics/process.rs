//! The process's own figures, read from `/proc/self` at each scrape. Where that is missing they are left out.

use std::fs;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

use super::table::{self, MetricDefinition};

/// The unit of times in `/proc`; the kernel reports 100 per second on every Linux architecture that we build for.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        if let Some(times) = process_times() {
            encode(&mut encoder, &table::PROCESS_CPU, &ConstCounter::new(times.cpu_seconds))?;
            if let Some(boot) = boot_time_seconds() {
                encode(&mut encoder, &table::PROCESS_START_TIME, &ConstGauge::new(boot + times.started_after_boot))?;
            }
        }
        if let Some(bytes) = resident_bytes() {
            encode(&mut encoder, &table::PROCESS_MEMORY, &ConstGauge::new(bytes))?;
        }
        if let Ok(descriptors) = fs::read_dir("/proc/self/fd") {
            let count = i64::try_from(descriptors.count()).unwrap_or(i64::MAX);
            encode(&mut encoder, &table::PROCESS_OPEN_FDS, &ConstGauge::new(count))?;
        }
        Ok(())
    }
}

struct ProcessTimes {
    cpu_seconds: f64,
    started_after_boot: f64,
}

fn encode(
    encoder: &mut DescriptorEncoder,
    definition: &MetricDefinition,
    metric: &impl EncodeMetric,
) -> Result<(), std::fmt::Error> {
    // The registry ends its help texts with a full stop, collectors do not.
    let help = format!("{}.", definition.help);
    metric.encode(encoder.encode_descriptor(definition.registered_name(), &help, None, metric.metric_type())?)
}

fn process_times() -> Option<ProcessTimes> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the command in parentheses and may hold spaces; what follows starts with field 3.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    let (user, system, start) = (ticks(14)?, ticks(15)?, ticks(22)?);
    Some(ProcessTimes { cpu_seconds: (user + system) / TICKS_PER_SECOND, started_after_boot: start / TICKS_PER_SECOND })
}

fn boot_time_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn resident_bytes() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::metrics::MetricsRegistry;

    #[test]
    fn the_process_shows_its_own_figures() {
        let text = MetricsRegistry::new().render().unwrap();
        for name in ["process_cpu_seconds_total ", "process_resident_memory_bytes ", "process_open_fds "] {
            assert!(text.lines().any(|line| line.starts_with(name)), "{name} is missing in\n{text}");
        }
        assert_eq!(crate::metrics::undeclared(&text), Vec::<String>::new());
    }
}
