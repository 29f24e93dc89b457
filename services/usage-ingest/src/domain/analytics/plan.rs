//! Which table answers which part of a period.
//!
//! Guarantee: the parts add up to the stretches of a question exactly. All tables sum the same entries, so the answer does
//! not depend on the choice; only its speed does.
//!
//! The coarsest table first: days, hours, quarter hours, then single entries at the edges. A day (UTC) that two stretches
//! share, as it is with days of other zones, is counted where its noon is, and what it has of the neighbours is moved:
//! added to them and taken back from it. Where clocks are nine hours ahead, that reads nine hours of a day instead of all
//! of them. Finer rows are never shared: an hour (UTC) that two stretches meet in, as those of a zone at a quarter past
//! do, is read by its quarters.
//!
//! Entries are dropped after a while; [`answerable`] widens a period that would need some that are gone.

use std::time::Duration;

use maas_types::Timestamp;

use crate::domain::{
    period::Period,
    totals::{BUCKET, HOUR},
};

const DAY: Duration = Duration::from_secs(24 * 3_600);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Days (UTC) by all dimensions, with latencies.
    Daily,
    /// Days (UTC) without key and user, with latencies.
    OverviewDaily,
    /// Hours (UTC) without key and user, with latencies.
    OverviewHourly,
    /// Quarter hours without key and user, with latencies.
    Overview,
    /// Quarter hours by all dimensions, without latencies.
    Rollups,
    /// Every event and correction.
    Entries,
}

/// What the rows of a question must tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Keys or users, by filter or by group.
    pub people: bool,
    pub latencies: bool,
}

/// Where rows are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// In the stretch that they lie in; days in that of their noon.
    Own,
    /// In the stretch that they lie in, and taken back from the one that the noon of their day lies in.
    Moved,
}

/// The times of a question that one table answers, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub table: Table,
    pub share: Share,
    pub times: Vec<Period>,
}

/// The most of a day that is moved: each moved row is read once and counted twice. Days of any zone move half of a day
/// of UTC at most.
const MOST_MOVED: Duration = Duration::from_secs(12 * 3_600);

/// The parts of some stretches, which follow each other.
pub fn plan(stretches: &[Period], needs: Needs) -> Vec<Part> {
    let tables = if on_marks(stretches) { tables(needs) } else { Vec::new() };
    let mut parts = Vec::new();
    let pieces = |from, to| pieces(Period { from, to }, stretches);
    let (Some(first), Some(last)) = (stretches.first(), stretches.last()) else { return parts };
    let (from, to) = (up_to(first.from, DAY), last.to.floor_to(DAY));
    let Some(((days, _), finer)) = tables.split_first().filter(|_| from < to) else {
        let finer = tables.get(1..).unwrap_or_default();
        add(&mut parts, Share::Own, pieces(first.from, last.to), finer);
        return parts;
    };
    add(&mut parts, Share::Own, pieces(first.from, from), finer);
    let (mut day, mut stretch) = (from, 0);
    while day < to {
        let noon = day.plus(DAY / 2);
        stretch += stretches.iter().skip(stretch).take_while(|stretch| stretch.to <= noon).count();
        let whole = Period { from: day, to: day.plus(DAY) };
        match stretches.get(stretch).and_then(|home| moved(whole, *home)) {
            Some(moved) => {
                push(&mut parts, *days, Share::Own, whole);
                moved.into_iter().for_each(|of| add(&mut parts, Share::Moved, pieces(of.from, of.to), finer));
            }
            None => add(&mut parts, Share::Own, pieces(whole.from, whole.to), finer),
        }
        day = whole.to;
    }
    add(&mut parts, Share::Own, pieces(to, last.to), finer);
    parts
}

/// Whether stretches meet at quarter hours only, so that rows of the finest sums lie in one stretch each.
fn on_marks(stretches: &[Period]) -> bool {
    stretches.iter().skip(1).all(|stretch| stretch.from.floor_to(BUCKET) == stretch.from)
}

/// What of these times lies in each stretch, in order.
fn pieces(times: Period, stretches: &[Period]) -> impl Iterator<Item = Period> {
    let first = stretches.partition_point(|stretch| stretch.to <= times.from);
    let inside = stretches.iter().skip(first);
    inside
        .map(move |stretch| Period { from: stretch.from.max(times.from), to: stretch.to.min(times.to) })
        .take_while(|piece| piece.from < piece.to)
}

/// What a day has outside of the stretch of its noon; None: too much, or not in whole quarter hours.
fn moved(day: Period, home: Period) -> Option<Vec<Period>> {
    let before = Period { from: day.from, to: home.from.min(day.to) };
    let after = Period { from: home.to.max(day.from), to: day.to };
    let pieces: Vec<_> = [before, after].into_iter().filter(|piece| piece.from < piece.to).collect();
    let all: Duration = pieces.iter().map(|piece| piece.to.since(piece.from)).sum();
    let is_mark = |time: Timestamp| time.floor_to(BUCKET) == time;
    (all <= MOST_MOVED && pieces.iter().all(|piece| is_mark(piece.from) && is_mark(piece.to))).then_some(pieces)
}

/// The period that can be answered: as asked for, or out to whole rows of the finest sums at an edge whose entries are
/// gone. Those are quarter hours, and days (UTC) where only they have what is needed.
pub fn answerable(period: Period, needs: Needs, entries_since: Timestamp) -> Period {
    let width = tables(needs).last().map_or(BUCKET, |(_, width)| *width);
    // The row of an edge is needed whole.
    let is_held = |time: Timestamp| time.floor_to(width) >= entries_since;
    Period {
        from: if is_held(period.from) { period.from } else { period.from.floor_to(width) },
        to: if is_held(period.to) { period.to } else { up_to(period.to, width) },
    }
}

/// From coarse to fine, days first, each with the width of its rows.
fn tables(needs: Needs) -> Vec<(Table, Duration)> {
    match needs {
        Needs { people: false, .. } => {
            vec![(Table::OverviewDaily, DAY), (Table::OverviewHourly, HOUR), (Table::Overview, BUCKET)]
        }
        Needs { people: true, latencies: false } => vec![(Table::Daily, DAY), (Table::Rollups, BUCKET)],
        Needs { people: true, latencies: true } => vec![(Table::Daily, DAY)],
    }
}

/// The period out to whole days (UTC).
pub fn whole_days(period: Period) -> Period {
    Period { from: period.from.floor_to(DAY), to: up_to(period.to, DAY) }
}

/// The next whole width at this time or after it.
fn up_to(time: Timestamp, width: Duration) -> Timestamp {
    let mark = time.floor_to(width);
    if mark == time { time } else { mark.plus(width) }
}

/// Each piece by itself, so that no row is read that lies in two stretches.
fn add(parts: &mut Vec<Part>, share: Share, pieces: impl Iterator<Item = Period>, tables: &[(Table, Duration)]) {
    pieces.for_each(|piece| add_piece(parts, share, piece, tables));
}

fn add_piece(parts: &mut Vec<Part>, share: Share, times: Period, tables: &[(Table, Duration)]) {
    if times.from >= times.to {
        return;
    }
    let Some(((table, width), finer)) = tables.split_first() else {
        return push(parts, Table::Entries, share, times);
    };
    let (from, to) = (up_to(times.from, *width), times.to.floor_to(*width));
    if from >= to {
        return add_piece(parts, share, times, finer);
    }
    add_piece(parts, share, Period { from: times.from, to: from }, finer);
    push(parts, *table, share, Period { from, to });
    add_piece(parts, share, Period { from: to, to: times.to }, finer);
}

fn push(parts: &mut Vec<Part>, table: Table, share: Share, times: Period) {
    let Some(part) = parts.iter_mut().find(|part| part.table == table && part.share == share) else {
        return parts.push(Part { table, share, times: vec![times] });
    };
    match part.times.last_mut() {
        Some(last) if last.to == times.from => last.to = times.to,
        _ => part.times.push(times),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        analytics::interval::{Interval, stretches},
        zone::Zone,
    };

    const PEOPLE: Needs = Needs { people: true, latencies: false };
    const EVERYBODY: Needs = Needs { people: false, latencies: true };

    fn period(from: &str, to: &str) -> Period {
        Period { from: from.parse().unwrap(), to: to.parse().unwrap() }
    }

    fn part(table: Table, share: Share, times: &[Period]) -> Part {
        Part { table, share, times: times.to_vec() }
    }

    #[test]
    fn a_month_of_people_comes_from_days_and_the_rest_of_today() {
        let parts = plan(&[period("2026-10-21T00:00:00Z", "2026-11-20T09:37:00Z")], PEOPLE);
        let expected = [
            (Table::Daily, period("2026-10-21T00:00:00Z", "2026-11-20T00:00:00Z")),
            (Table::Rollups, period("2026-11-20T00:00:00Z", "2026-11-20T09:30:00Z")),
            (Table::Entries, period("2026-11-20T09:30:00Z", "2026-11-20T09:37:00Z")),
        ];
        assert_eq!(parts, expected.map(|(table, times)| part(table, Share::Own, &[times])));
    }

    #[test]
    fn days_of_a_zone_take_an_hour_from_the_day_before() {
        let berlin = Zone::find("Europe/Berlin").unwrap();
        let whole = period("2026-11-01T23:00:00Z", "2026-11-04T23:00:00Z");
        let days = stretches(whole, Interval::Day, &berlin, 100).unwrap();
        let hours = [
            period("2026-11-01T23:00:00Z", "2026-11-02T00:00:00Z"),
            period("2026-11-02T23:00:00Z", "2026-11-03T00:00:00Z"),
            period("2026-11-03T23:00:00Z", "2026-11-04T00:00:00Z"),
        ];
        let rest = period("2026-11-04T00:00:00Z", "2026-11-04T23:00:00Z");
        let expected = [
            part(Table::Rollups, Share::Own, &[hours[0], rest]),
            part(Table::Daily, Share::Own, &[period("2026-11-02T00:00:00Z", "2026-11-04T00:00:00Z")]),
            part(Table::Rollups, Share::Moved, &hours[1..]),
        ];
        assert_eq!(plan(&days, PEOPLE), expected);
    }

    #[test]
    fn days_of_the_farthest_zones_come_from_days_and_hours_do_not() {
        let auckland = Zone::find("Pacific/Auckland").unwrap();
        let whole = period("2026-11-01T11:00:00Z", "2026-11-08T11:00:00Z");
        let days = stretches(whole, Interval::Day, &auckland, 100).unwrap();
        let parts = plan(&days, PEOPLE);
        let read = |table, share| parts.iter().filter(move |part| (part.table, part.share) == (table, share));
        let moved = read(Table::Rollups, Share::Moved).flat_map(|part| &part.times);
        assert_eq!(moved.map(|times| times.to.since(times.from).as_secs() / 3_600).collect::<Vec<_>>(), [11; 6]);
        assert_eq!(read(Table::Daily, Share::Own).count(), 1);
        let hours = stretches(whole, Interval::Hour, &Zone::UTC, 1_000).unwrap();
        assert_eq!(plan(&hours, PEOPLE), [part(Table::Rollups, Share::Own, &[whole])]);
    }

    /// The whole days of a zone, and what of them is read from one table.
    fn read_of_days(zone: &str, from: &str, table: Table, share: Share) -> Vec<Period> {
        let from: Timestamp = from.parse().unwrap();
        let whole = Period { from, to: from.plus(DAY * 3) };
        let days = stretches(whole, Interval::Day, &Zone::find(zone).unwrap(), 100).unwrap();
        let parts = plan(&days, EVERYBODY);
        let found = parts.into_iter().filter(|part| (part.table, part.share) == (table, share));
        found.flat_map(|part| part.times).collect()
    }

    #[test]
    fn days_of_a_zone_of_whole_hours_need_no_quarters() {
        let tokyo = |table, share| read_of_days("Asia/Tokyo", "2026-11-01T15:00:00Z", table, share);
        let moved = [
            period("2026-11-02T15:00:00Z", "2026-11-03T00:00:00Z"),
            period("2026-11-03T15:00:00Z", "2026-11-04T00:00:00Z"),
        ];
        assert_eq!(tokyo(Table::OverviewHourly, Share::Moved), moved);
        assert_eq!(tokyo(Table::OverviewHourly, Share::Own).len(), 2);
        assert!([Share::Own, Share::Moved].into_iter().all(|share| tokyo(Table::Overview, share).is_empty()));
    }

    #[test]
    fn days_that_begin_inside_an_hour_take_its_quarters_and_then_hours() {
        let kathmandu = |table| read_of_days("Asia/Kathmandu", "2026-11-01T18:15:00Z", table, Share::Moved);
        let quarters = [
            period("2026-11-02T18:15:00Z", "2026-11-02T19:00:00Z"),
            period("2026-11-03T18:15:00Z", "2026-11-03T19:00:00Z"),
        ];
        let hours = [
            period("2026-11-02T19:00:00Z", "2026-11-03T00:00:00Z"),
            period("2026-11-03T19:00:00Z", "2026-11-04T00:00:00Z"),
        ];
        assert_eq!((kathmandu(Table::Overview), kathmandu(Table::OverviewHourly)), (quarters.into(), hours.into()));
    }

    #[test]
    fn hours_come_from_hours_where_clocks_show_them_and_else_from_quarters() {
        let day = period("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z");
        for (zone, table) in [("Asia/Tokyo", Table::OverviewHourly), ("Asia/Kolkata", Table::Overview)] {
            let hours = stretches(day, Interval::Hour, &Zone::find(zone).unwrap(), 100).unwrap();
            assert_eq!(plan(&hours, EVERYBODY), [part(table, Share::Own, &[day])], "{zone}");
        }
    }

    #[test]
    fn latencies_of_people_come_from_days_and_entries() {
        let needs = Needs { people: true, latencies: true };
        let tables: Vec<_> = plan(&[period("2026-11-01T00:00:00Z", "2026-11-08T09:00:00Z")], needs)
            .iter()
            .map(|part| part.table)
            .collect();
        assert_eq!(tables, [Table::Daily, Table::Entries]);
    }

    #[test]
    fn an_edge_whose_entries_are_gone_is_widened_and_others_are_not() {
        let since = "2026-10-15T00:00:00Z".parse().unwrap();
        let asked = period("2026-09-01T07:01:00Z", "2026-11-20T09:37:00Z");
        let from = |from: &str| Period { from: from.parse().unwrap(), ..asked };
        assert_eq!(answerable(asked, PEOPLE, since), from("2026-09-01T07:00:00Z"));
        let latencies = Needs { people: true, latencies: true };
        assert_eq!(answerable(asked, latencies, since), from("2026-09-01T00:00:00Z"));
        let old = period("2026-09-01T00:01:00Z", "2026-09-01T00:02:00Z");
        assert_eq!(answerable(old, PEOPLE, since), period("2026-09-01T00:00:00Z", "2026-09-01T00:15:00Z"));
    }

    const fn width(table: Table) -> Option<Duration> {
        match table {
            Table::Daily | Table::OverviewDaily => Some(DAY),
            Table::OverviewHourly => Some(HOUR),
            Table::Overview | Table::Rollups => Some(BUCKET),
            Table::Entries => None,
        }
    }

    /// How often a time is counted in each stretch, by the start of the row that it is in.
    fn counts(parts: &[Part], cut: &[Period], time: Timestamp) -> Vec<i32> {
        let home = |time: Timestamp| cut.iter().position(|stretch| stretch.from <= time && time < stretch.to).unwrap();
        let noon = time.floor_to(DAY).plus(DAY / 2);
        let start = |table| width(table).map_or(time, |width| time.floor_to(width));
        let mut counts = vec![0; cut.len()];
        for part in parts.iter().filter(|part| part.times.iter().any(|times| times.from <= time && time < times.to)) {
            match (part.table, part.share) {
                (table, Share::Moved) => {
                    counts[home(start(table))] += 1;
                    counts[home(noon)] -= 1;
                }
                (Table::Daily | Table::OverviewDaily, Share::Own) => counts[home(noon)] += 1,
                (table, Share::Own) => counts[home(start(table))] += 1,
            }
        }
        counts
    }

    const ZONES: [&str; 9] = [
        "UTC",
        "Europe/Berlin",
        "Asia/Kathmandu",
        "Asia/Kolkata",
        "Asia/Tokyo",
        "America/Los_Angeles",
        "America/New_York",
        "Australia/Lord_Howe",
        "Pacific/Apia",
    ];

    proptest! {
        #[test]
        fn every_time_is_counted_once_and_where_it_belongs(
            from in 0_i64..2_000_000_000, length in 1_i64..1_000_000_000, people: bool, latencies: bool,
            interval in proptest::sample::select(Interval::ALL.to_vec()),
            zone in proptest::sample::select(ZONES.to_vec()),
        ) {
            let time = |ms| Timestamp::from_unix_ms(1_790_000_000_000 + ms);
            // Two days of minutes at most.
            let length = if interval == Interval::Minute { length % 172_800_000 + 1 } else { length };
            let whole = Period { from: time(from), to: time(from + length) };
            let cut = stretches(whole, interval, &Zone::find(zone).unwrap(), 3_000).unwrap();
            let parts = plan(&cut, Needs { people, latencies });
            let quarters = (0..).map(|number| whole.from.plus(BUCKET * number)).take_while(|time| *time < whole.to);
            for time in quarters.chain([whole.to.minus(Duration::from_millis(1))]) {
                let expected: Vec<_> = cut.iter().map(|stretch| i32::from(stretch.from <= time && time < stretch.to)).collect();
                prop_assert_eq!(counts(&parts, &cut, time), expected);
            }
            // A row of sums is read whole or not at all.
            for part in &parts {
                let Some(width) = width(part.table) else { continue };
                for times in &part.times {
                    prop_assert_eq!((times.from.floor_to(width), times.to.floor_to(width)), (times.from, times.to));
                }
                prop_assert!(interval != Interval::Minute || cut.len() == 1, "minutes come from entries");
            }
        }
    }
}
