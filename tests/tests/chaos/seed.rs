//! What a run is made of: its seed and its bounds.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

/// The history that every test run repeats; its plan kills proxies, an ingest and NATS, freezes Postgres, rolls the store
/// back over frozen ingests, deletes the consumer, fills a disk, forgets connections, and moves clocks by hours, one ahead
/// and one behind.
const USUAL_SEED: u64 = 1_695_963;
const USUAL_ROUNDS: usize = 9;
const USUAL_SECONDS: u64 = 25;
const USUAL_OUTAGE_SECONDS: u64 = 6;

/// Says, when the test fails, how to repeat it.
pub struct Seed(pub u64);

impl Seed {
    pub fn from_environment() -> Self {
        let seed = Self(variable("MAAS_CHAOS_SEED").unwrap_or(USUAL_SEED));
        println!("chaos with seed {}", seed.0);
        seed
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let test = std::thread::current().name().unwrap_or_default().to_owned();
            println!("this is repeated by: MAAS_CHAOS_SEED={} scripts/chaos.sh {test}", self.0);
        }
    }
}

/// No round begins after either of them.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub rounds: usize,
    pub time: Duration,
}

impl Bounds {
    pub fn from_environment() -> Self {
        Self {
            rounds: variable("MAAS_CHAOS_ROUNDS").unwrap_or(USUAL_ROUNDS),
            time: Duration::from_secs(variable("MAAS_CHAOS_SECONDS").unwrap_or(USUAL_SECONDS)),
        }
    }
}

/// How long the bus is away in the outage test; the database for a third of it.
pub fn outage() -> Duration {
    Duration::from_secs(variable("MAAS_CHAOS_OUTAGE_SECONDS").unwrap_or(USUAL_OUTAGE_SECONDS))
}

fn variable<T: FromStr<Err: Display>>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}
