//! Three counts of the same tokens: the library's, the upstream's and the platform's.

use std::collections::BTreeMap;

use maas_testkit::eventually;
use maas_tests::{PATIENCE, wait_for_rows};
use serde::Deserialize;

use super::world::World;

/// What the scripts have reported so far.
#[derive(Default)]
pub struct Books {
    usage: BTreeMap<String, Used>,
    left: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
struct Used {
    requests: u64,
    input_tokens: u64,
    output_tokens: u64,
}

#[derive(Deserialize)]
struct Report {
    usage: BTreeMap<String, Used>,
    /// Streams that the script left before their end.
    left: u64,
}

impl Books {
    /// The last line that a script prints; a script without one has not come to its end.
    pub fn add(&mut self, output: &str) {
        let line = output.lines().find_map(|line| line.strip_prefix("report: ")).expect("a report");
        let report: Report = serde_json::from_str(line).expect("a report as `report.py` writes it");
        for (model, used) in report.usage {
            self.usage.entry(model).or_default().add(used);
        }
        self.left += report.left;
    }

    /// Fails unless all three agree for each model, and the upstreams noticed every stream that was left and no other.
    pub async fn compare(&self, world: &World) {
        assert_eq!(self.usage, self.booked(world).await, "left: the library, right: the platform's books");
        // Only now: an upstream counts a stream as completed a moment after its client has read the last word.
        assert_eq!(self.usage, self.counted_by_upstreams(world), "left: the library, right: the upstreams");
        eventually(PATIENCE, || async { (world.cancellations() >= self.left).then_some(()) }).await;
        assert_eq!(world.cancellations(), self.left, "streams that the upstreams saw cut");
    }

    fn counted_by_upstreams(&self, world: &World) -> BTreeMap<String, Used> {
        let counted = |model: &String| {
            let counters = world.counters_of(model);
            Used {
                requests: counters.completed,
                input_tokens: counters.input_tokens,
                output_tokens: counters.output_tokens,
            }
        };
        self.usage.keys().map(|model| (model.clone(), counted(model))).collect()
    }

    async fn booked(&self, world: &World) -> BTreeMap<String, Used> {
        let requests: u64 = self.usage.values().map(|used| used.requests).sum();
        let count = usize::try_from(requests).expect("a few requests");
        let mut booked: BTreeMap<String, Used> = BTreeMap::new();
        for row in wait_for_rows(&world.api(), world.metered_key_id(), count, PATIENCE).await {
            assert_eq!((row.outcome.as_str(), row.quality.as_str()), ("success", "exact"), "{row:?}");
            let used = Used { requests: 1, input_tokens: row.input_tokens, output_tokens: row.output_tokens };
            booked.entry(row.model).or_default().add(used);
        }
        booked
    }
}

impl Used {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
    }
}
