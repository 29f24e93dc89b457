//! The stretches of time that a series is cut into, as the clocks of a time zone show them.
//!
//! Days have 23 or 25 hours where clocks are changed, hours that clocks show twice are two stretches, weeks begin on
//! Monday.

use jiff::{Zoned, civil::Weekday};
use maas_types::Timestamp;

use crate::domain::{period::Period, zone::Zone};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    Minute,
    QuarterHour,
    Hour,
    Day,
    Week,
    Month,
}

const MINUTE_MS: i64 = 60_000;

impl Interval {
    pub const ALL: [Self; 6] = [Self::Minute, Self::QuarterHour, Self::Hour, Self::Day, Self::Week, Self::Month];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::QuarterHour => "quarter_hour",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|interval| interval.as_str() == text)
    }

    /// Where the stretch that `time` lies in ends. `None`: beyond the years that calendars know.
    fn end_after(self, time: Timestamp, zone: &Zone) -> Option<Timestamp> {
        let local = zone.local(time)?;
        let end = match self {
            Self::Minute => end_of_minutes(1, time, &local),
            Self::QuarterHour => end_of_minutes(15, time, &local),
            Self::Hour => end_of_minutes(60, time, &local),
            Self::Day => zone.start_of(local.date().tomorrow().ok()?)?,
            Self::Week => zone.start_of(local.date().nth_weekday(1, Weekday::Monday).ok()?)?,
            Self::Month => zone.start_of(local.date().last_of_month().tomorrow().ok()?)?,
        };
        // Whatever a zone's rules say, time goes on.
        (end > time).then_some(end)
    }
}

/// Clocks are changed by whole quarters of an hour, so going on from what they show now always meets their marks.
fn end_of_minutes(minutes: i64, time: Timestamp, local: &Zoned) -> Timestamp {
    let shown = (i64::from(local.minute()) % minutes) * MINUTE_MS
        + i64::from(local.second()) * 1_000
        + i64::from(local.millisecond());
    Timestamp::from_unix_ms(time.unix_ms() + minutes * MINUTE_MS - shown)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {0} points")]
pub struct TooManyPoints(pub usize);

/// The stretches of a period, without gaps; the first and the last end where the period does.
pub fn stretches(
    period: Period,
    interval: Interval,
    zone: &Zone,
    at_most: usize,
) -> Result<Vec<Period>, TooManyPoints> {
    let mut stretches = Vec::new();
    let mut from = period.from;
    while from < period.to {
        if stretches.len() == at_most {
            return Err(TooManyPoints(at_most));
        }
        let to = interval.end_after(from, zone).map_or(period.to, |end| end.min(period.to));
        stretches.push(Period { from, to });
        from = to;
    }
    Ok(stretches)
}

/// The period before, as people compare: of whole months or days as many before it, of anything else the same time.
pub fn previous(period: Period, zone: &Zone) -> Period {
    whole_months(period, zone).or_else(|| whole_days(period, zone)).unwrap_or_else(|| {
        let length = period.to.since(period.from);
        Period { from: period.from.minus(length), to: period.from }
    })
}

fn whole_months(period: Period, zone: &Zone) -> Option<Period> {
    let (from, to) = (whole_day(period.from, zone)?, whole_day(period.to, zone)?);
    if from.day() != 1 || to.day() != 1 {
        return None;
    }
    let months = (i32::from(to.year()) - i32::from(from.year())) * 12 + i32::from(to.month()) - i32::from(from.month());
    let start = from.checked_sub(jiff::Span::new().try_months(months).ok()?).ok()?;
    Some(Period { from: zone.start_of(start)?, to: period.from })
}

fn whole_days(period: Period, zone: &Zone) -> Option<Period> {
    let (from, to) = (whole_day(period.from, zone)?, whole_day(period.to, zone)?);
    let days = from.until(to).ok()?.get_days();
    let start = from.checked_sub(jiff::Span::new().try_days(days).ok()?).ok()?;
    Some(Period { from: zone.start_of(start)?, to: period.from })
}

/// The day that starts at this very instant.
fn whole_day(time: Timestamp, zone: &Zone) -> Option<jiff::civil::Date> {
    let date = zone.local(time)?.date();
    (zone.start_of(date)? == time).then_some(date)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn period(from: &str, to: &str) -> Period {
        Period { from: from.parse().unwrap(), to: to.parse().unwrap() }
    }

    fn cut(from: &str, to: &str, interval: Interval, zone: &str) -> Vec<Period> {
        stretches(period(from, to), interval, &Zone::find(zone).unwrap(), 10_000).unwrap()
    }

    fn hours(stretches: &[Period]) -> Vec<u64> {
        stretches.iter().map(|stretch| stretch.to.since(stretch.from).as_secs() / 3_600).collect()
    }

    #[test]
    fn days_have_23_and_25_hours_where_clocks_are_changed() {
        let spring = cut("2026-03-27T23:00:00Z", "2026-03-30T22:00:00Z", Interval::Day, "Europe/Berlin");
        assert_eq!(hours(&spring), [24, 23, 24]);
        let autumn = cut("2026-10-23T22:00:00Z", "2026-10-26T23:00:00Z", Interval::Day, "Europe/Berlin");
        assert_eq!(hours(&autumn), [24, 25, 24]);
        // An hour that clocks show twice is two hours.
        assert_eq!(cut("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", Interval::Hour, "Europe/Berlin").len(), 25);
    }

    #[test]
    fn zones_of_half_and_quarter_hours_have_their_own_marks() {
        let kolkata = cut("2026-11-19T18:30:00Z", "2026-11-20T18:30:00Z", Interval::Hour, "Asia/Kolkata");
        assert_eq!((kolkata.len(), hours(&kolkata).iter().all(|hours| *hours == 1)), (24, true));
        assert_eq!(cut("2026-11-19T18:15:00Z", "2026-11-21T18:15:00Z", Interval::Day, "Asia/Kathmandu").len(), 2);
        // Half an hour is skipped or repeated here; nothing is lost and nothing overlaps.
        for (from, to) in
            [("2026-04-04T10:00:00Z", "2026-04-05T10:00:00Z"), ("2026-10-03T10:00:00Z", "2026-10-04T10:00:00Z")]
        {
            let hours = cut(from, to, Interval::Hour, "Australia/Lord_Howe");
            assert!(hours.windows(2).all(|pair| pair[0].to == pair[1].from && pair[0].from < pair[0].to));
        }
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        let weeks = cut("2026-11-20T09:30:00Z", "2026-12-02T00:00:00Z", Interval::Week, "UTC");
        let starts: Vec<_> = weeks.iter().map(|week| week.from.to_string()).collect();
        assert_eq!(starts, ["2026-11-20T09:30:00.000Z", "2026-11-23T00:00:00.000Z", "2026-11-30T00:00:00.000Z"]);
        let months = cut("2026-01-01T05:00:00Z", "2027-01-01T05:00:00Z", Interval::Month, "America/New_York");
        assert_eq!((months.len(), months[7].from.to_string()), (12, "2026-08-01T04:00:00.000Z".to_owned()));
    }

    #[test]
    fn too_many_points_are_refused_and_the_end_of_time_is_an_end() {
        let day = period("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z");
        assert_eq!(stretches(day, Interval::Minute, &Zone::UTC, 1_439), Err(TooManyPoints(1_439)));
        assert_eq!(stretches(day, Interval::Minute, &Zone::UTC, 1_440).unwrap().len(), 1_440);
        let last = period("9999-12-29T00:00:00Z", "9999-12-30T22:00:00Z");
        for interval in Interval::ALL {
            let cut = stretches(last, interval, &Zone::find("Asia/Tokyo").unwrap(), 10_000).unwrap();
            assert_eq!((cut[0].from, cut[cut.len() - 1].to), (last.from, last.to));
        }
    }

    #[test]
    fn the_period_before_is_the_one_that_people_mean() {
        let berlin = Zone::find("Europe/Berlin").unwrap();
        let march = period("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z");
        assert_eq!(previous(march, &berlin), period("2026-01-31T23:00:00Z", "2026-02-28T23:00:00Z"));
        // Seven days across the change of clocks.
        let week = period("2026-03-27T23:00:00Z", "2026-04-03T22:00:00Z");
        assert_eq!(previous(week, &berlin), period("2026-03-20T23:00:00Z", "2026-03-27T23:00:00Z"));
        let hours = period("2026-11-20T08:00:00Z", "2026-11-20T09:30:00Z");
        assert_eq!(previous(hours, &berlin), period("2026-11-20T06:30:00Z", "2026-11-20T08:00:00Z"));
    }
}
