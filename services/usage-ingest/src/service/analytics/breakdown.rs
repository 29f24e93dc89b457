//! All groups of some usage, page by page, in any order, with the totals of all.
//!
//! Counts and costs are those of the period to the millisecond. Latencies of each key or user are known of whole days
//! only (UTC), so theirs are of the period out to whole days, in a statement of its own about the groups of the page.

use std::collections::BTreeMap;

use maas_types::PageLimit;
use sea_orm::ConnectionTrait;

use super::{AskError, Ledger, Scope, Usage, narrowed};
use crate::{
    domain::{
        analytics::{
            figures::{Figures, Latency, Wanted},
            metric::{Metric, MetricValue},
            plan::whole_days,
            question::{needs, tells_all_people_apart},
        },
        dimensions::Dimension,
        filter::{UsageFilter, Value},
        period::Period,
    },
    store::analytics::{
        page::{Group, Page, Position, Rank, Sort, page},
        sums,
    },
};

/// Groups that are sorted in memory at most: databases cannot compare percentiles.
pub const MOST_SORTED: usize = 10_000;

#[derive(Debug, Clone)]
pub struct BreakdownInput {
    pub usage: Usage,
    /// One or two.
    pub group: Vec<Dimension>,
    /// None: by name.
    pub sort: Option<Metric>,
    pub descending: bool,
    /// Whether percentiles of latencies are wanted.
    pub latencies: bool,
    pub after: Option<Position>,
    pub limit: PageLimit,
}

#[derive(Debug)]
pub struct BreakdownAnswer {
    pub scope: Scope,
    /// What latencies are of.
    pub latency_period: Period,
    pub groups: Vec<(Vec<Value>, Figures)>,
    /// Of all groups.
    pub totals: Figures,
    /// Where the next page starts; None: this is the last.
    pub next: Option<Position>,
}

pub async fn breakdown(ledger: &Ledger, input: &BreakdownInput) -> Result<BreakdownAnswer, AskError> {
    let db = ledger.snapshot().await?;
    let sorts_by_latency = matches!(input.sort, Some(Metric::Percentile(..)));
    let latencies = if input.latencies || sorts_by_latency { Latency::ALL.to_vec() } else { Vec::new() };
    let by_days = !latencies.is_empty() && tells_all_people_apart(&input.usage.filter, &input.group);
    let wanted = Wanted { latencies: if by_days { Vec::new() } else { latencies }, ..Wanted::counts_and_cost() };
    let scope = ledger.scope(&db, &input.usage, needs(&input.usage.filter, &input.group, &wanted)).await?;
    let latency_period = if by_days { whole_days(scope.period) } else { scope.period };
    let days = by_days.then_some(latency_period);

    let limit = input.limit.get() as usize;
    // One more than asked for says whether there is a next page.
    let mut found = if sorts_by_latency {
        in_memory(&db, ledger, input, &scope, wanted, days).await?.cut(input, limit + 1)
    } else {
        let question = ledger.question(&[scope.period], &input.usage.filter, &input.group, wanted)?;
        let sort = Sort { metric: input.sort, descending: input.descending, currency: scope.currency };
        page(&db, &question, sort, input.after.as_ref(), limit as u64 + 1).await?
    };
    let more = found.groups.len() > limit;
    found.groups.truncate(limit);
    if let (Some(days), false) = (days, sorts_by_latency) {
        let names: Vec<_> = found.groups.iter().map(|group| group.position.group.clone()).collect();
        let filter = narrowed(&input.usage.filter, &input.group, &names);
        add_latencies(&db, ledger, &filter, &input.group, days, &mut found.groups).await?;
    }
    if let Some(days) = days {
        found.totals.add(&latencies_of_all(&db, ledger, &input.usage.filter, days).await?);
    }
    let next = found.groups.last().filter(|_| more).map(|group| group.position.clone());
    let groups = found.groups.into_iter().map(|group| (group.position.group, group.figures)).collect();
    Ok(BreakdownAnswer { scope, latency_period, groups, totals: found.totals, next })
}

/// All groups, with their latencies.
async fn in_memory(
    db: &impl ConnectionTrait,
    ledger: &Ledger,
    input: &BreakdownInput,
    scope: &Scope,
    wanted: Wanted,
    days: Option<Period>,
) -> Result<Sorted, AskError> {
    let filter = &input.usage.filter;
    let question = ledger.question(&[scope.period], filter, &input.group, wanted)?;
    let cells = sums::cells_up_to(db, &question, MOST_SORTED).await?.ok_or(AskError::TooManyGroups(MOST_SORTED))?;
    let unranked = |group| Position { rank: Rank::default(), group };
    let group = |cell: crate::domain::analytics::question::Cell| Group {
        position: unranked(cell.group),
        figures: cell.figures,
    };
    let mut groups: Vec<_> = cells.into_iter().map(group).collect();
    let mut totals = Figures::default();
    groups.iter().for_each(|group| totals.add(&group.figures));
    if let Some(days) = days {
        add_latencies(db, ledger, filter, &input.group, days, &mut groups).await?;
    }
    for group in &mut groups {
        group.position.rank = rank(&group.figures, input.sort, scope);
    }
    Ok(Sorted { groups, totals })
}

/// Adds to each of the groups its latencies of these days.
async fn add_latencies(
    db: &impl ConnectionTrait,
    ledger: &Ledger,
    filter: &UsageFilter,
    by: &[Dimension],
    days: Period,
    groups: &mut [Group],
) -> Result<(), AskError> {
    let question = ledger.question(&[days], filter, by, latencies_only())?;
    let cells = sums::cells(db, &question).await?;
    let mut found: BTreeMap<_, _> = cells.into_iter().map(|cell| (cell.group, cell.figures)).collect();
    for group in groups {
        if let Some(latencies) = found.remove(&group.position.group) {
            group.figures.add(&latencies);
        }
    }
    Ok(())
}

/// Of everybody together, which the sums without people know.
async fn latencies_of_all(
    db: &impl ConnectionTrait,
    ledger: &Ledger,
    filter: &UsageFilter,
    days: Period,
) -> Result<Figures, AskError> {
    let question = ledger.question(&[days], filter, &[], latencies_only())?;
    let mut all = Figures::default();
    sums::cells(db, &question).await?.iter().for_each(|cell| all.add(&cell.figures));
    Ok(all)
}

fn latencies_only() -> Wanted {
    Wanted { latencies: Latency::ALL.to_vec(), ..Wanted::default() }
}

/// A percentile in whole microseconds; groups without one are below all others.
fn rank(figures: &Figures, sort: Option<Metric>, scope: &Scope) -> Rank {
    let units = match sort.map(|metric| metric.value(figures, scope.currency)) {
        Some(MetricValue::Milliseconds(Some(milliseconds))) => (milliseconds * 1_000.0).round() as i64,
        Some(MetricValue::Milliseconds(None) | MetricValue::Count(_) | MetricValue::CostNanos(_)) | None => -1,
    };
    Rank { units, above: 0 }
}

/// Groups that are sorted here.
struct Sorted {
    groups: Vec<Group>,
    totals: Figures,
}

impl Sorted {
    fn cut(mut self, input: &BreakdownInput, limit: usize) -> Page {
        let order = |a: &Position, b: &Position| {
            let by_rank = a.rank.units.cmp(&b.rank.units);
            let by_rank = if input.descending { by_rank.reverse() } else { by_rank };
            by_rank.then_with(|| a.group.cmp(&b.group))
        };
        self.groups.sort_by(|a, b| order(&a.position, &b.position));
        let after = |group: &Group| input.after.as_ref().is_none_or(|last| order(&group.position, last).is_gt());
        let groups = self.groups.into_iter().filter(after).take(limit).collect();
        Page { groups, totals: self.totals }
    }
}
