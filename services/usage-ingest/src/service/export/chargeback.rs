//! What teams or cost centres are charged for a month: the ledger's lines by payer, model and currency.
//!
//! A closed month never changes. Usage of it that came later is in the report of the month it was booked in, as lines
//! that name the month they are of.

use std::str::FromStr;

use jiff::civil::Date;
use maas_store::StoreError;
use maas_types::{Timestamp, csv::Cell};
use sea_orm::ConnectionTrait;

use super::{ExportRow, PAGE};
use crate::{
    domain::{
        dimensions::Dimension,
        filter::{UsageFilter, Value},
        focus,
        zone::Zone,
    },
    store::export::ledger::{COUNTS, Line, page},
};

/// A calendar month, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Month(Date);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a month from 1970-01 to 9998-12, such as 2026-11")]
pub struct NotAMonth;

impl Month {
    /// From year × 100 + month, as the ledger writes it.
    pub fn from_number(number: i32) -> Result<Self, NotAMonth> {
        let (year, month) = (number.div_euclid(100), number.rem_euclid(100));
        let year = i16::try_from(year).ok().filter(|year| (1970..=9998).contains(year)).ok_or(NotAMonth)?;
        let month = i8::try_from(month).map_err(|_| NotAMonth)?;
        Date::new(year, month, 1).map(Self).map_err(|_| NotAMonth)
    }

    pub fn number(self) -> i32 {
        i32::from(self.0.year()) * 100 + i32::from(self.0.month())
    }

    /// Its first moment and that of the next month.
    pub fn bounds(self) -> (Timestamp, Timestamp) {
        let start = |date| Zone::UTC.start_of(date).unwrap_or(Timestamp::EPOCH);
        let next = self.0.last_of_month().tomorrow().unwrap_or(self.0);
        (start(self.0), start(next))
    }
}

impl FromStr for Month {
    type Err = NotAMonth;

    fn from_str(text: &str) -> Result<Self, NotAMonth> {
        let (year, month) = text.split_once('-').ok_or(NotAMonth)?;
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if year.len() != 4 || month.len() != 2 || !digits(year) || !digits(month) {
            return Err(NotAMonth);
        }
        let number = |part: &str| part.parse::<i32>().map_err(|_| NotAMonth);
        Self::from_number(number(year)? * 100 + number(month)?)
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    /// Our own columns.
    Plain,
    /// Those of [`focus`].
    Focus,
}

#[derive(Debug)]
pub struct Chargeback {
    pub month: Month,
    /// Team or cost centre.
    pub payer: Dimension,
    pub filter: UsageFilter,
    pub format: ReportFormat,
    after: Option<Line>,
    done: bool,
}

impl Chargeback {
    pub const fn new(month: Month, payer: Dimension, filter: UsageFilter, format: ReportFormat) -> Self {
        Self { month, payer, filter, format, after: None, done: false }
    }

    pub(super) fn columns(&self) -> Vec<&'static str> {
        if self.format == ReportFormat::Focus {
            return focus::COLUMNS.to_vec();
        }
        let mut columns = vec!["month", "of_month", self.payer.column(), "model", "currency"];
        columns.extend(COUNTS.map(|(count, _)| count.as_str()));
        columns.push("cost");
        columns
    }

    pub(super) async fn next(&mut self, snapshot: &impl ConnectionTrait) -> Result<Vec<ExportRow>, StoreError> {
        if self.done {
            return Ok(Vec::new());
        }
        let lines =
            page(snapshot, self.month.number(), self.payer, &self.filter, self.after.as_ref(), PAGE as u64).await?;
        self.done = lines.len() < PAGE;
        self.after = lines.last().cloned();
        lines.into_iter().map(|line| self.row(line)).collect()
    }

    fn row(&self, line: Line) -> Result<ExportRow, StoreError> {
        let used = Month::from_number(line.of_month)
            .map_err(|_| StoreError::corrupt("usage_ledger", "of_month", line.of_month))?;
        let cells = match self.format {
            ReportFormat::Plain => self.plain(&line, used),
            ReportFormat::Focus => self.focus(&line, used),
        };
        Ok(ExportRow { cells, figures: line.figures })
    }

    fn plain(&self, line: &Line, used: Month) -> Vec<Cell> {
        let [payer, model, currency] = self.names(line);
        let mut cells = vec![Cell::Text(self.month.to_string()), Cell::Text(used.to_string())];
        cells.extend([payer, model, currency].map(|name| name.map_or(Cell::Missing, Cell::Text)));
        cells.extend(COUNTS.map(|(count, _)| Cell::Number(line.figures.count(count))));
        cells.push(Cell::Amount(cost(line)));
        cells
    }

    fn focus(&self, line: &Line, used: Month) -> Vec<Cell> {
        let [payer, model, currency] = self.names(line);
        focus::row(&focus::Charge {
            payer: payer.as_deref().filter(|payer| !payer.is_empty()),
            payer_kind: if self.payer == Dimension::Team { "team" } else { "cost_centre" },
            model: &model.unwrap_or_default(),
            currency: &currency.unwrap_or_default(),
            billing: self.month.bounds(),
            used: used.bounds(),
            figures: &line.figures,
            cost: cost(line),
        })
    }

    fn names(&self, line: &Line) -> [Option<String>; 3] {
        let [payer, model, currency] = &line.group;
        let name = |value: &Value, dimension| value.text(dimension);
        [name(payer, self.payer), name(model, Dimension::Model), name(currency, Dimension::Currency)]
    }
}

/// A line is in one currency.
fn cost(line: &Line) -> i128 {
    line.figures.costs().map(|(_, nanos)| nanos).sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn months_have_one_spelling() {
        let december: Month = "2026-12".parse().unwrap();
        assert_eq!((december.number(), december.to_string()), (202_612, "2026-12".to_owned()));
        let (from, to) = december.bounds();
        assert_eq!(
            (from.to_string(), to.to_string()),
            ("2026-12-01T00:00:00.000Z".into(), "2027-01-01T00:00:00.000Z".into())
        );
        for wrong in
            ["", "2026", "2026-13", "2026-00", "2026-1", "26-11", "+026-11", "2026-11-01", "9999-12", "1969-12"]
        {
            assert_eq!(wrong.parse::<Month>(), Err(NotAMonth), "{wrong}");
        }
    }
}
