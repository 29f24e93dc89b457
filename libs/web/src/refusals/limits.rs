//! How many refusals of a caller are written one by one, and how many are only counted.

use std::{collections::HashMap, time::Duration};

use maas_events::audit_entry::ActorKind;
use maas_types::Timestamp;

use crate::attempts::AttemptKey;

/// Of a caller, in a minute that begins with the first of them.
const ONE_BY_ONE: u64 = 20;
const WINDOW: Duration = Duration::from_secs(60);
/// Callers that are counted apart at once; the others are counted together.
const MOST_CALLERS: usize = 10_000;

/// Who was refused, from where, and whom that counts for.
#[derive(Debug, Clone)]
pub struct Who {
    pub actor: ActorKind,
    pub counted_as: AttemptKey,
    pub address: String,
}

impl Who {
    /// All who are not told apart.
    pub fn anybody() -> Self {
        let actor = ActorKind::System { name: "several callers".to_owned() };
        Self { actor, counted_as: AttemptKey::Account(String::new()), address: String::new() }
    }
}

/// Refusals of a caller that were not written one by one.
#[derive(Debug)]
pub struct Unwritten {
    pub who: Who,
    pub since: Timestamp,
    pub count: u64,
}

#[derive(Debug, Default)]
pub struct Limits {
    windows: HashMap<AttemptKey, Window>,
}

#[derive(Debug)]
struct Window {
    who: Who,
    began: Timestamp,
    count: u64,
}

impl Limits {
    /// Whether this one is written. A window that is over but not yet told of goes on counting until it is.
    pub fn admit(&mut self, who: &Who, now: Timestamp) -> bool {
        let has_room = self.windows.len() < MOST_CALLERS || self.windows.contains_key(&who.counted_as);
        let who = if has_room { who.clone() } else { Who::anybody() };
        let begin = || Window { who: who.clone(), began: now, count: 0 };
        let window = self.windows.entry(who.counted_as.clone()).or_insert_with(begin);
        if window.is_over(now) && window.unwritten() == 0 {
            *window = begin();
        }
        window.count += 1;
        window.count <= ONE_BY_ONE
    }

    /// Takes out the windows that are over, or all of them, and says what was only counted.
    pub fn ended(&mut self, now: Timestamp, is_end: bool) -> Vec<Unwritten> {
        let over = self.windows.extract_if(|_, window| is_end || window.is_over(now));
        let told =
            over.map(|(_, window)| Unwritten { count: window.unwritten(), since: window.began, who: window.who });
        told.filter(|unwritten| unwritten.count > 0).collect()
    }
}

impl Window {
    fn is_over(&self, now: Timestamp) -> bool {
        now.since(self.began) >= WINDOW
    }

    fn unwritten(&self) -> u64 {
        self.count.saturating_sub(ONE_BY_ONE)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_763_000_000_000);

    fn person(name: &str) -> Who {
        Who { counted_as: AttemptKey::Account(name.to_owned()), ..Who::anybody() }
    }

    #[test]
    fn the_rest_of_a_minute_is_one_line_with_the_number() {
        let mut limits = Limits::default();
        let written = (0..50).filter(|_| limits.admit(&person("ada"), NOW)).count();
        assert_eq!(written, 20);
        assert!(limits.admit(&person("ben"), NOW));
        assert!(limits.ended(NOW.plus(Duration::from_secs(59)), false).is_empty());
        let told = limits.ended(NOW.plus(WINDOW), false);
        assert_eq!(told.iter().map(|unwritten| unwritten.count).collect::<Vec<_>>(), [30]);
        assert!(limits.admit(&person("ada"), NOW.plus(WINDOW)));
    }

    #[test]
    fn memory_is_bounded_and_nobody_is_forgotten() {
        let mut limits = Limits::default();
        let written = (0..MOST_CALLERS + 100).filter(|n| limits.admit(&person(&n.to_string()), NOW)).count();
        assert_eq!(written, MOST_CALLERS + 20);
        assert_eq!(limits.ended(NOW, true).first().unwrap().count, 80);
    }
}
