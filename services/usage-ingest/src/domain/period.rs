//! Time ranges of questions, and how a range is answered exactly from quarter-hour rollups and raw events.

use std::time::Duration;

use jiff::{civil, tz::TimeZone};
use maas_types::Timestamp;

use super::totals::BUCKET;

/// The longest range of one question.
pub const MAX_RANGE: Duration = Duration::from_secs(366 * 24 * 3_600);

/// `from` inclusive, `to` exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub from: Timestamp,
    pub to: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    #[error("`from` must be before `to`")]
    Empty,
    #[error("the range must not be longer than 366 days")]
    TooLong,
}

impl Period {
    /// Without `to` it ends now; without `from` it begins with the calendar month (UTC) that it ends in.
    pub fn of_question(from: Option<Timestamp>, to: Option<Timestamp>, now: Timestamp) -> Result<Self, PeriodError> {
        let to = to.unwrap_or(now);
        let from = from.unwrap_or_else(|| start_of_month(to.minus(Duration::from_millis(1))));
        if from >= to {
            return Err(PeriodError::Empty);
        }
        if to.since(from) > MAX_RANGE {
            return Err(PeriodError::TooLong);
        }
        Ok(Self { from, to })
    }

    /// The whole quarter hours inside, and what is left at the edges. Together they are the period, without overlap.
    pub fn parts(self) -> PeriodParts {
        let first_mark = self.from.floor_to(BUCKET);
        let inner_from = if first_mark == self.from { first_mark } else { first_mark.plus(BUCKET) };
        let inner_to = self.to.floor_to(BUCKET);
        if inner_from >= inner_to {
            return PeriodParts { whole_buckets: None, edges: vec![self] };
        }
        let edges = [Self { from: self.from, to: inner_from }, Self { from: inner_to, to: self.to }];
        PeriodParts {
            whole_buckets: Some(Self { from: inner_from, to: inner_to }),
            edges: edges.into_iter().filter(|edge| edge.from < edge.to).collect(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodParts {
    /// Answered from rollups.
    pub whole_buckets: Option<Period>,
    /// Answered from raw events; at most two, each shorter than two buckets.
    pub edges: Vec<Period>,
}

/// When a month of the ledger is closed: this long after its end (UTC).
///
/// What was reported of a closed month stays as it was reported. Usage of that month that comes later is booked in the
/// month that is open now, as a line that names the month it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonthClosing {
    pub after: Duration,
}

/// Where the ledger books something, both as year × 100 + month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LedgerMonth {
    /// The month whose report it is in.
    pub month: i32,
    /// The month of its admission.
    pub of_month: i32,
}

impl MonthClosing {
    pub fn month_for(self, admitted_at: Timestamp, now: Timestamp) -> LedgerMonth {
        let of_month = month_of(admitted_at);
        let closed = now >= end_of_month(admitted_at).plus(self.after);
        LedgerMonth { month: if closed { month_of(now) } else { of_month }, of_month }
    }
}

/// The calendar month of a time, UTC, as year × 100 + month.
pub fn month_of(time: Timestamp) -> i32 {
    let date = utc_date(time);
    i32::from(date.year()) * 100 + i32::from(date.month())
}

fn start_of_month(time: Timestamp) -> Timestamp {
    midnight(utc_date(time).first_of_month())
}

/// The first moment of the next month.
fn end_of_month(time: Timestamp) -> Timestamp {
    midnight(utc_date(time).last_of_month()).plus(Duration::from_secs(24 * 3_600))
}

fn midnight(date: civil::Date) -> Timestamp {
    let start = date.to_zoned(TimeZone::UTC);
    start.map_or(Timestamp::EPOCH, |start| Timestamp::from_unix_ms(start.timestamp().as_millisecond()))
}

/// Times outside the years that a calendar knows count as the epoch; the admission window never lets one in.
fn utc_date(time: Timestamp) -> civil::Date {
    let instant = jiff::Timestamp::from_millisecond(time.unix_ms()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    instant.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn period(from: &str, to: &str) -> Period {
        Period { from: time(from), to: time(to) }
    }

    #[test]
    fn the_default_is_the_current_month() {
        let now = time("2026-11-20T09:30:00Z");
        assert_eq!(Period::of_question(None, None, now), Ok(Period { from: time("2026-11-01T00:00:00Z"), to: now }));
        let until = Some(time("2026-11-01T00:00:00Z"));
        assert_eq!(Period::of_question(None, until, now).unwrap().from, time("2026-10-01T00:00:00Z"));
    }

    #[test]
    fn empty_and_endless_ranges_are_refused() {
        let now = time("2026-11-20T09:30:00Z");
        assert_eq!(Period::of_question(Some(now), Some(now), now), Err(PeriodError::Empty));
        let long_ago = now.minus(MAX_RANGE + Duration::from_millis(1));
        assert_eq!(Period::of_question(Some(long_ago), None, now), Err(PeriodError::TooLong));
        assert!(Period::of_question(Some(now.minus(MAX_RANGE)), None, now).is_ok());
    }

    #[test]
    fn whole_quarters_need_no_raw_events() {
        let day = period("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z");
        assert_eq!(day.parts(), PeriodParts { whole_buckets: Some(day), edges: vec![] });
    }

    #[test]
    fn edges_fill_what_the_quarters_leave() {
        let parts = period("2026-11-20T00:01:00Z", "2026-11-20T01:20:00Z").parts();
        assert_eq!(parts.whole_buckets, Some(period("2026-11-20T00:15:00Z", "2026-11-20T01:15:00Z")));
        assert_eq!(
            parts.edges,
            [
                period("2026-11-20T00:01:00Z", "2026-11-20T00:15:00Z"),
                period("2026-11-20T01:15:00Z", "2026-11-20T01:20:00Z")
            ]
        );
        let short = period("2026-11-20T00:14:00Z", "2026-11-20T00:16:00Z");
        assert_eq!(short.parts(), PeriodParts { whole_buckets: None, edges: vec![short] });
    }

    #[test]
    fn a_closed_month_books_in_the_open_one() {
        let closing = MonthClosing { after: Duration::from_secs(10 * 86_400) };
        let late = time("2026-10-31T23:59:59.999Z");
        let open = time("2026-11-10T23:59:59.999Z");
        assert_eq!(closing.month_for(late, open), LedgerMonth { month: 202_610, of_month: 202_610 });
        let closed = time("2026-11-11T00:00:00Z");
        assert_eq!(closing.month_for(late, closed), LedgerMonth { month: 202_611, of_month: 202_610 });
        // A proxy whose clock is ahead, at the turn of the year.
        let ahead = time("2027-01-01T00:01:00Z");
        let now = time("2026-12-31T23:59:00Z");
        assert_eq!(closing.month_for(ahead, now), LedgerMonth { month: 202_701, of_month: 202_701 });
    }

    #[test]
    fn months_are_calendar_months() {
        assert_eq!(month_of(time("2026-12-31T23:59:59.999Z")), 202_612);
        assert_eq!(month_of(time("2027-01-01T00:00:00Z")), 202_701);
    }
}
