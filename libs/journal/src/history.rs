//! Random histories against a model: whatever is admitted, settled, flushed, synced, torn, refused, killed or forgotten,
//! what was confirmed is found again exactly once and in order.
//!
//! A history that fails prints its seed; `MAAS_HISTORY_SEED=<seed> cargo test -p maas-journal history` repeats it alone.
//! `MAAS_HISTORIES=<count>` runs so many of each durability.

mod model;
mod step;

use crate::Durability;
use model::World;
use step::{Random, Step};

const MOST_STEPS: u64 = 60;

#[test]
fn what_was_written_survives_every_history_of_killed_processes() {
    run_histories(Durability::Process, 5_000);
}

#[test]
fn what_was_synced_survives_every_history_of_lost_machines() {
    run_histories(Durability::Host, 7_000);
}

fn run_histories(durability: Durability, usual_count: u64) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("MAAS_HISTORY_SEED") {
        return run_history(durability, seed);
    }
    for seed in 0..number("MAAS_HISTORIES").unwrap_or(usual_count) {
        run_history(durability, seed);
    }
}

fn run_history(durability: Durability, seed: u64) {
    let failed = Failed { durability, seed };
    let mut random = Random::from_seed(seed);
    let mut world = World::new(durability, &mut random);
    for _ in 0..random.below(MOST_STEPS) {
        let step = Step::random(&mut random);
        world.run(step, &mut random);
    }
    world.end(&mut random);
    std::mem::forget(failed);
}

/// Says which history it was when a check in it fails.
struct Failed {
    durability: Durability,
    seed: u64,
}

impl Drop for Failed {
    fn drop(&mut self) {
        let Self { durability, seed } = self;
        eprintln!("a history with durability {durability:?} failed; repeat it with MAAS_HISTORY_SEED={seed}");
    }
}
