//! All groups of some usage, page by page, in any order, with the totals of all.

use maas_types::PageLimit;

use super::{AskError, Ledger, Scope, Usage};
use crate::{
    domain::{
        analytics::{
            figures::{Figures, Latency, Wanted},
            metric::{Metric, MetricValue},
            question::needs,
        },
        dimensions::Dimension,
        filter::Value,
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
    pub groups: Vec<(Vec<Value>, Figures)>,
    /// Of all groups.
    pub totals: Figures,
    /// Where the next page starts; None: this is the last.
    pub next: Option<Position>,
}

pub async fn breakdown(ledger: &Ledger, input: &BreakdownInput) -> Result<BreakdownAnswer, AskError> {
    let db = ledger.snapshot().await?;
    let sorts_by_latency = matches!(input.sort, Some(Metric::Percentile(..)));
    let mut wanted = Wanted::counts_and_cost();
    if input.latencies || sorts_by_latency {
        wanted.latencies = Latency::ALL.to_vec();
    }
    let scope = ledger.scope(&db, &input.usage, needs(&input.usage.filter, &input.group, &wanted)).await?;
    let question = ledger.question(&[scope.period], &input.usage.filter, &input.group, wanted)?;
    let sort = Sort { metric: input.sort, descending: input.descending, currency: scope.currency };
    let limit = input.limit.get() as usize;
    // One more than asked for says whether there is a next page.
    let mut found = match input.sort {
        Some(metric @ Metric::Percentile(..)) => {
            let cells = sums::cells_up_to(&db, &question, MOST_SORTED).await?;
            let cells = cells.ok_or(AskError::TooManyGroups(MOST_SORTED))?;
            let groups = cells.into_iter().map(|cell| ranked(cell.group, cell.figures, metric, scope)).collect();
            sorted(groups, input, limit + 1)
        }
        _ => page(&db, &question, sort, input.after.as_ref(), limit as u64 + 1).await?,
    };
    let more = found.groups.len() > limit;
    found.groups.truncate(limit);
    let next = found.groups.last().filter(|_| more).map(|group| group.position.clone());
    let groups = found.groups.into_iter().map(|group| (group.position.group, group.figures)).collect();
    Ok(BreakdownAnswer { scope, groups, totals: found.totals, next })
}

/// By a percentile in whole microseconds; groups without one are below all others.
fn ranked(group: Vec<Value>, figures: Figures, metric: Metric, scope: Scope) -> Group {
    let units = match metric.value(&figures, scope.currency) {
        MetricValue::Milliseconds(Some(milliseconds)) => (milliseconds * 1_000.0).round() as i64,
        MetricValue::Milliseconds(None) | MetricValue::Count(_) | MetricValue::CostNanos(_) => -1,
    };
    Group { position: Position { rank: Rank { units, above: 0 }, group }, figures }
}

fn sorted(mut groups: Vec<Group>, input: &BreakdownInput, limit: usize) -> Page {
    let mut totals = Figures::default();
    groups.iter().for_each(|group| totals.add(&group.figures));
    let order = |a: &Position, b: &Position| {
        let by_rank = a.rank.units.cmp(&b.rank.units);
        let by_rank = if input.descending { by_rank.reverse() } else { by_rank };
        by_rank.then_with(|| a.group.cmp(&b.group))
    };
    groups.sort_by(|a, b| order(&a.position, &b.position));
    let after = |group: &Group| input.after.as_ref().is_none_or(|last| order(&group.position, last).is_gt());
    let groups = groups.into_iter().filter(after).take(limit).collect();
    Page { groups, totals }
}
