//! The operator's part after clocks were wrong: what was admitted too far ahead of the ledger's clock is held, and booked
//! once its time has come (docs/usage-repair.md).

use std::ops::AddAssign;

use maas_tests::Api;
use serde_json::json;

/// What the held entries came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    /// They were held and nowhere else.
    pub events: usize,
    /// Somebody with another clock had booked them.
    pub duplicates: usize,
    /// They were booked with worse counts.
    pub corrections: usize,
}

impl Replayed {
    pub fn entries(&self) -> usize {
        self.events + self.duplicates + self.corrections
    }
}

impl AddAssign<&str> for Replayed {
    fn add_assign(&mut self, booked_as: &str) {
        match booked_as {
            "event" => self.events += 1,
            "duplicate" => self.duplicates += 1,
            "correction" => self.corrections += 1,
            other => panic!("replayed as {other}"),
        }
    }
}

/// Replays all of them; none may be refused.
pub async fn replay_outside_window(api: &Api) -> Replayed {
    let mut replayed = Replayed::default();
    let mut cursor = None::<String>;
    loop {
        let body = json!({"kind": "outside_window", "reason": "clocks were wrong", "limit": 200, "cursor": cursor});
        let page = api.post("/api/v1/usage/quarantine/replay", &body).await.expect(200);
        assert_eq!(page["refused"], 0, "{page}");
        for entry in page["data"].as_array().into_iter().flatten() {
            replayed += entry["booked_as"].as_str().unwrap_or_default();
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return replayed,
        }
    }
}
