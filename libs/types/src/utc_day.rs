//! A calendar day, UTC: what ledgers and books are kept, proved and dropped by.

use std::{fmt, str::FromStr};

use jiff::civil::Date;

use crate::time::Timestamp;

/// Days since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UtcDay(pub i32);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a day: expected YYYY-MM-DD")]
pub struct UtcDayError;

const DAY_MS: i64 = 86_400_000;
const EPOCH: Date = Date::constant(1970, 1, 1);

impl UtcDay {
    pub fn of(time: Timestamp) -> Self {
        Self(i32::try_from(time.unix_ms().div_euclid(DAY_MS)).unwrap_or(i32::MAX))
    }

    /// The first and the last day of the calendar month that it is in.
    pub fn month(self) -> (Self, Self) {
        let date = self.date();
        (Self::from_date(date.first_of_month()), Self::from_date(date.last_of_month()))
    }

    /// Year × 100 + month, as the ledger names months.
    pub fn month_number(self) -> i32 {
        let date = self.date();
        i32::from(date.year()) * 100 + i32::from(date.month())
    }

    /// Days that no calendar knows count as the epoch; none can be entered, and none is ever booked.
    fn date(self) -> Date {
        EPOCH.checked_add(jiff::Span::new().try_days(self.0).unwrap_or_default()).unwrap_or(EPOCH)
    }

    fn from_date(date: Date) -> Self {
        Self(date.since((jiff::Unit::Day, EPOCH)).map_or(0, |span| span.get_days()))
    }
}

impl fmt::Display for UtcDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.date())
    }
}

impl FromStr for UtcDay {
    type Err = UtcDayError;

    /// Exactly `YYYY-MM-DD`, which is one of many forms that the calendar could read.
    fn from_str(text: &str) -> Result<Self, UtcDayError> {
        let day = text.parse().map(Self::from_date).map_err(|_| UtcDayError)?;
        if day.to_string() == text { Ok(day) } else { Err(UtcDayError) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_exactly_one_text() {
        for text in ["1970-01-01", "2024-02-29", "2026-11-20", "2027-12-31"] {
            assert_eq!(text.parse::<UtcDay>().unwrap().to_string(), text);
        }
        for text in ["2026-11-20T09:00:00", "20261120", "2026-02-29", "2026-1-2", "today", ""] {
            assert_eq!(text.parse::<UtcDay>(), Err(UtcDayError), "{text}");
        }
    }

    #[test]
    fn a_month_is_a_calendar_month() {
        let day: UtcDay = "2024-02-10".parse().unwrap();
        let (first, last) = day.month();
        assert_eq!(
            (first.to_string(), last.to_string(), day.month_number()),
            ("2024-02-01".into(), "2024-02-29".into(), 202_402)
        );
        let time: Timestamp = "2024-02-10T23:59:59.999Z".parse().unwrap();
        assert_eq!(UtcDay::of(time), day);
    }
}
