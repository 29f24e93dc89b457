//! CPU time and memory of the servers under load, from /proc.

use anyhow::{Context, bail};
use serde::Serialize;

/// Linux reports CPU time to programs in hundredths of a second on every architecture.
const MICROSECONDS_PER_TICK: u64 = 10_000;

/// Of several processes together, all their threads included, their child processes not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ProcessUse {
    /// User and system time since their start.
    pub cpu_us: u64,
    pub rss_kb: u64,
}

/// Fails when one of them does not run: half a measurement would pass for a good one.
pub fn measure_processes(ids: &[u32]) -> anyhow::Result<ProcessUse> {
    let mut sum = ProcessUse::default();
    for id in ids {
        sum.cpu_us += cpu_us(*id)?;
        sum.rss_kb += rss_kb(*id)?;
    }
    Ok(sum)
}

fn cpu_us(id: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{id}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("cannot measure process {id}"))?;
    // The name before the last bracket may hold spaces; user and system time are fields 14 and 15 of the whole.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields.split_whitespace()).context("no name in stat")?;
    let times: Vec<u64> = fields.skip(11).take(2).filter_map(|ticks| ticks.parse().ok()).collect();
    let [user, system] = times[..] else {
        bail!("{path} has no CPU times");
    };
    Ok((user + system) * MICROSECONDS_PER_TICK)
}

fn rss_kb(id: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let value = line.and_then(|value| value.split_whitespace().next());
    value.with_context(|| format!("process {id} has no memory"))?.parse().context("VmRSS is no number")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_grows_with_work() {
        let ids = [std::process::id()];
        let before = measure_processes(&ids).unwrap();
        assert!(before.rss_kb > 100);
        let mut value = 1_u64;
        while measure_processes(&ids).unwrap().cpu_us < before.cpu_us + 20_000 {
            value = std::hint::black_box(value.wrapping_mul(3));
        }
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        assert!(measure_processes(&[u32::MAX]).is_err());
    }
}
