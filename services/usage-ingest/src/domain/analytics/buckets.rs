//! Numbering the stretches of a series by arithmetic, so that a database can do it for each row.

use maas_types::Timestamp;

use crate::domain::period::Period;

/// Stretches of equal length that follow each other: `first + (time - from) / width` is the number of the one that a
/// time before `to` lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub from: Timestamp,
    pub to: Timestamp,
    pub width_ms: i64,
    pub first: usize,
}

/// A day's series has one run, one of days over a change of clocks three, one of months as many as there are lengths.
pub fn runs(stretches: &[Period]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (number, stretch) in stretches.iter().enumerate() {
        let width_ms = stretch.to.unix_ms() - stretch.from.unix_ms();
        match runs.last_mut() {
            Some(run) if run.width_ms == width_ms && run.to == stretch.from => run.to = stretch.to,
            _ => runs.push(Run { from: stretch.from, to: stretch.to, width_ms, first: number }),
        }
    }
    runs
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::domain::{
        analytics::interval::{Interval, stretches},
        zone::Zone,
    };

    #[test]
    fn every_stretch_finds_its_own_number() {
        let period =
            Period { from: "2026-01-10T07:20:00Z".parse().unwrap(), to: "2026-12-24T18:00:00Z".parse().unwrap() };
        let berlin = Zone::find("Europe/Berlin").unwrap();
        for (interval, most) in [(Interval::Day, 7), (Interval::Week, 7), (Interval::Month, 12), (Interval::Hour, 3)] {
            let stretches = stretches(period, interval, &berlin, 10_000).unwrap();
            let runs = runs(&stretches);
            assert!(runs.len() <= most, "{interval:?}: {}", runs.len());
            for (number, stretch) in stretches.iter().enumerate() {
                for time in [stretch.from.unix_ms(), stretch.to.unix_ms() - 1] {
                    let run = runs.iter().find(|run| time < run.to.unix_ms()).unwrap();
                    let found = run.first + usize::try_from((time - run.from.unix_ms()) / run.width_ms).unwrap();
                    assert_eq!(found, number, "{interval:?}");
                }
            }
        }
    }
}
