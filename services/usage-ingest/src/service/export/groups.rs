//! Sums by group and stretch of time as rows, by time and name. Groups without usage in a stretch have no row.

use maas_store::StoreError;
use sea_orm::ConnectionTrait;

use maas_types::csv::Cell;

use super::{ExportRow, PAGE};
use crate::{
    domain::{
        analytics::{
            figures::{Count, Figures, Wanted},
            interval::{Interval, stretches},
        },
        dimensions::Dimension,
        filter::{UsageFilter, Value},
        period::Period,
        zone::Zone,
    },
    service::analytics::{
        AskError, Ledger, Usage,
        series::{MOST_MINUTES, MOST_POINTS},
    },
    store::export::groups::page,
};

#[derive(Debug, Clone)]
pub struct GroupedInput {
    pub usage: Usage,
    /// None: the whole period is one stretch.
    pub interval: Option<Interval>,
    pub zone: Zone,
    /// The currency is told apart in any case.
    pub group: Vec<Dimension>,
}

#[derive(Debug)]
pub struct Groups {
    ledger: Ledger,
    filter: UsageFilter,
    group: Vec<Dimension>,
    /// What is still to be read, the last one first.
    stretches: Vec<Period>,
    after: Option<Vec<Value>>,
}

impl Groups {
    /// Fails with too many stretches, and where entries that are needed were dropped.
    pub fn new(ledger: &Ledger, input: GroupedInput) -> Result<Self, AskError> {
        let GroupedInput { usage: Usage { period, filter }, interval, zone, mut group } = input;
        let mut stretches = match interval {
            None => vec![period],
            Some(interval) => {
                let most = if interval == Interval::Minute { MOST_MINUTES as usize } else { MOST_POINTS };
                stretches(period, interval, &zone, most).map_err(|error| AskError::TooManyPoints(error.0))?
            }
        };
        group.retain(|dimension| *dimension != Dimension::Currency);
        group.push(Dimension::Currency);
        ledger.question(&stretches, &filter, &group, Wanted::counts_and_cost())?;
        stretches.reverse();
        Ok(Self { ledger: ledger.clone(), filter, group, stretches, after: None })
    }

    pub(super) fn columns(&self) -> Vec<&'static str> {
        let mut columns = vec!["from", "to"];
        columns.extend(self.group.iter().map(|dimension| dimension.column()));
        columns.extend(Count::ALL.map(Count::as_str));
        columns.push("cost");
        columns
    }

    /// Rows of several stretches, if they have few.
    pub(super) async fn next(&mut self, snapshot: &impl ConnectionTrait) -> Result<Vec<ExportRow>, StoreError> {
        let mut rows = Vec::new();
        while let Some(stretch) = self.stretches.last().copied().filter(|_| rows.len() < PAGE) {
            let question = self.ledger.question(&[stretch], &self.filter, &self.group, Wanted::counts_and_cost());
            // All of it was checked at the beginning, and nothing is dropped meanwhile.
            let question = question.map_err(|gone| StoreError::corrupt("usage_events", "day", gone))?;
            let groups = page(snapshot, &question, self.after.as_deref(), PAGE as u64).await?;
            self.after = groups.last().map(|(group, _)| group.clone()).filter(|_| groups.len() == PAGE);
            if self.after.is_none() {
                self.stretches.pop();
            }
            rows.extend(groups.into_iter().map(|(group, figures)| self.row(stretch, &group, figures)));
        }
        Ok(rows)
    }

    fn row(&self, stretch: Period, group: &[Value], figures: Figures) -> ExportRow {
        let mut cells = vec![Cell::Time(stretch.from), Cell::Time(stretch.to)];
        let names = self.group.iter().zip(group);
        cells.extend(names.map(|(dimension, value)| value.text(*dimension).map_or(Cell::Missing, Cell::Text)));
        cells.extend(Count::ALL.map(|count| Cell::Number(figures.count(count))));
        // A row is in one currency.
        cells.push(Cell::Amount(figures.costs().map(|(_, nanos)| nanos).sum()));
        ExportRow { cells, figures }
    }
}
