//! A metric over time: of everything, or of the largest groups with the rest as one.

use std::time::Duration;

use sea_orm::ConnectionTrait;

use super::{AskError, Ledger, Scope, Usage, narrowed};
use crate::{
    domain::{
        analytics::{
            figures::{Figures, Wanted},
            interval::{Interval, previous, stretches},
            metric::Metric,
            plan::{answerable, whole_days},
            question::{needs, tells_all_people_apart},
        },
        dimensions::Dimension,
        filter::{UsageFilter, Value},
        period::Period,
        zone::Zone,
    },
    store::analytics::series::{largest, points},
};

/// Points of all series together, those of the period before included.
pub const MOST_POINTS: usize = 10_000;
/// A series of minutes comes from single entries, so its period must be short: a day of 25 hours fits.
pub const MOST_MINUTES: u32 = 25 * 60;
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub struct SeriesInput {
    pub usage: Usage,
    pub metric: Metric,
    pub interval: Interval,
    pub zone: Zone,
    /// Up to two; none: one series of everything.
    pub group: Vec<Dimension>,
    /// How many groups are shown; the others are one series together.
    pub top: usize,
    /// Whether the period before is answered, too.
    pub compare: bool,
}

#[derive(Debug)]
pub struct SeriesAnswer {
    pub scope: Scope,
    pub stretches: Vec<Period>,
    pub totals: Figures,
    /// The largest first, the others last.
    pub series: Vec<Series>,
    pub previous: Option<PreviousAnswer>,
}

/// The same series, in the same order, in the period before.
#[derive(Debug)]
pub struct PreviousAnswer {
    pub period: Period,
    pub stretches: Vec<Period>,
    pub totals: Figures,
    pub series: Vec<Series>,
}

#[derive(Debug, Clone)]
pub struct Series {
    /// None: all groups that have no series of their own.
    pub group: Option<Vec<Value>>,
    pub totals: Figures,
    /// One for each stretch.
    pub points: Vec<Figures>,
}

/// Figures by series and stretch, the last series being all that has no name in the legend.
struct Drawn {
    totals: Figures,
    named: Vec<Vec<Figures>>,
    rest: Vec<Figures>,
}

/// Percentiles of each key or user over more than a day are of whole days (UTC), and the period is, too.
pub async fn series(ledger: &Ledger, input: &SeriesInput) -> Result<SeriesAnswer, AskError> {
    let Usage { period, filter } = &input.usage;
    let is_short = period.to.since(period.from) <= MOST_MINUTES * MINUTE;
    let latencies = matches!(input.metric, Metric::Percentile(..));
    if is_short || !latencies || !tells_all_people_apart(filter, &input.group) {
        return answer(ledger, input).await;
    }
    let usage = Usage { period: whole_days(*period), filter: filter.clone() };
    let input = SeriesInput { usage, ..input.clone() };
    let question = ledger.question(&cut(input.usage.period, &input)?, filter, &input.group, input.metric.wanted());
    if question.map_or(true, |question| question.reads_entries()) {
        return Err(AskError::DaysOnly);
    }
    answer(ledger, &input).await
}

async fn answer(ledger: &Ledger, input: &SeriesInput) -> Result<SeriesAnswer, AskError> {
    let needs = needs(&input.usage.filter, &input.group, &input.metric.wanted());
    let db = ledger.snapshot().await?;
    let scope = ledger.scope(&db, &input.usage, needs).await?;
    let current = cut(scope.period, input)?;
    let before = input.compare.then(|| previous(scope.period, &input.zone));
    let before = before.map(|period| answerable(period, needs, ledger.entries_since));
    let before = before.map(|period| cut(period, input).map(|stretches| (period, stretches))).transpose()?;

    let legend = legend(&db, ledger, input, &scope).await?;
    let all_points = current.len() + before.as_ref().map_or(0, |(_, stretches)| stretches.len());
    let most_series = legend.len() + usize::from(!input.group.is_empty());
    if all_points * most_series.max(1) > MOST_POINTS {
        return Err(AskError::TooManyPoints(MOST_POINTS));
    }
    let drawn_now = drawn(&db, ledger, input, &current, &legend).await?;
    let drawn_before = match &before {
        None => None,
        Some((_, stretches)) => Some(drawn(&db, ledger, input, stretches, &legend).await?),
    };
    // Both periods have the same series, so what only one of them has is shown in both.
    let has_rest = |drawn: &Drawn| drawn.rest.iter().any(|point| !point.is_zero());
    let others = has_rest(&drawn_now) || drawn_before.as_ref().is_some_and(has_rest);
    let previous = before.zip(drawn_before).map(|((period, stretches), drawn)| PreviousAnswer {
        period,
        stretches,
        totals: drawn.totals.clone(),
        series: drawn.labelled(&legend, others),
    });
    let totals = drawn_now.totals.clone();
    Ok(SeriesAnswer { scope, stretches: current, totals, series: drawn_now.labelled(&legend, others), previous })
}

fn cut(period: Period, input: &SeriesInput) -> Result<Vec<Period>, AskError> {
    let most = if input.interval == Interval::Minute { MOST_MINUTES as usize } else { MOST_POINTS };
    stretches(period, input.interval, &input.zone, most).map_err(|error| AskError::TooManyPoints(error.0))
}

/// The largest groups of the whole period, from the coarsest sums; without a group the one that everything is in.
async fn legend(
    db: &impl ConnectionTrait,
    ledger: &Ledger,
    input: &SeriesInput,
    scope: &Scope,
) -> Result<Vec<Vec<Value>>, AskError> {
    if input.group.is_empty() {
        return Ok(vec![Vec::new()]);
    }
    let rank = input.metric.rank();
    let question = ledger.question(&[scope.period], &input.usage.filter, &input.group, rank.wanted())?;
    Ok(largest(db, &question, rank, scope.currency, input.top as u64).await?)
}

/// The figures of all usage and of each series of the legend, over the given stretches.
async fn drawn(
    db: &impl ConnectionTrait,
    ledger: &Ledger,
    input: &SeriesInput,
    stretches: &[Period],
    legend: &[Vec<Value>],
) -> Result<Drawn, AskError> {
    let (filter, wanted) = (&input.usage.filter, input.metric.wanted());
    let about_people = input.group.iter().any(|dimension| dimension.is_about_people());
    let (named, rest) = if input.group.is_empty() {
        (vec![read(db, ledger, stretches, filter, &[], &[], &wanted).await?.1], Vec::new())
    } else if about_people {
        // The named ones are found by index, and the rest is what they leave of everything; telling all people apart
        // would read each of their rows.
        let (_, mut rest) = read(db, ledger, stretches, filter, &[], &[], &wanted).await?;
        let narrow = narrowed(filter, &input.group, legend);
        let (named, _) = read(db, ledger, stretches, &narrow, &input.group, legend, &wanted).await?;
        for series in &named {
            rest.iter_mut().zip(series).for_each(|(rest, part)| rest.subtract(part));
        }
        (named, rest)
    } else {
        read(db, ledger, stretches, filter, &input.group, legend, &wanted).await?
    };
    let mut totals = Figures::default();
    named.iter().chain([&rest]).flatten().for_each(|point| totals.add(point));
    Ok(Drawn { totals, named, rest })
}

/// Figures by named group and stretch, and those of everything else.
async fn read(
    db: &impl ConnectionTrait,
    ledger: &Ledger,
    stretches: &[Period],
    filter: &UsageFilter,
    group: &[Dimension],
    named: &[Vec<Value>],
    wanted: &Wanted,
) -> Result<(Vec<Vec<Figures>>, Vec<Figures>), AskError> {
    let mut figures = vec![vec![Figures::default(); stretches.len()]; named.len()];
    let mut rest = vec![Figures::default(); stretches.len()];
    let question = ledger.question(stretches, filter, group, wanted.clone())?;
    for point in points(db, &question, named).await? {
        let series = figures.get_mut(point.series).unwrap_or(&mut rest);
        if let Some(sum) = series.get_mut(point.stretch) {
            sum.add(&point.figures);
        }
    }
    Ok((figures, rest))
}

impl Drawn {
    fn labelled(self, legend: &[Vec<Value>], others: bool) -> Vec<Series> {
        let named = legend.iter().zip(self.named);
        let mut series: Vec<_> = named.map(|(group, points)| one(Some(group.clone()), points)).collect();
        if others {
            series.push(one(None, self.rest));
        }
        series
    }
}

fn one(group: Option<Vec<Value>>, points: Vec<Figures>) -> Series {
    let mut totals = Figures::default();
    points.iter().for_each(|point| totals.add(point));
    Series { group, totals, points }
}
