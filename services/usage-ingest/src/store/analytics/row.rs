//! From rows of sums to figures.

use std::collections::BTreeMap;

use maas_store::StoreError;
use maas_types::Currency;
use sea_orm::QueryResult;
use uuid::Uuid;

use super::parts::bin_columns;
use crate::domain::{
    analytics::{
        figures::{Figures, Wanted},
        question::Cell,
    },
    dimensions::Dimension,
    filter::Value,
    latency::BINS,
};

pub(super) const STRETCH: &str = "stretch";
pub(super) const COST_UNITS: &str = "cost_units";
pub(super) const COST_REST: &str = "cost_rest";

/// Rows of one group and stretch become one cell, whatever their currencies; by stretch and group.
pub(super) fn fold(rows: &[QueryResult], group: &[Dimension], wanted: &Wanted) -> Result<Vec<Cell>, StoreError> {
    let mut cells: BTreeMap<(usize, Vec<Value>), Figures> = BTreeMap::new();
    for row in rows {
        let group = values(row, group)?;
        cells.entry((stretch(row)?, group)).or_default().add(&figures(row, wanted)?);
    }
    Ok(cells.into_iter().map(|((stretch, group), figures)| Cell { stretch, group, figures }).collect())
}

/// A statement about one stretch does not number it.
fn stretch(row: &QueryResult) -> Result<usize, StoreError> {
    if !row.column_names().iter().any(|name| name == STRETCH) {
        return Ok(0);
    }
    let number: i64 = row.try_get_by(STRETCH)?;
    usize::try_from(number).map_err(|_| StoreError::corrupt("usage sums", STRETCH, number))
}

pub(in crate::store) fn values(row: &QueryResult, group: &[Dimension]) -> Result<Vec<Value>, StoreError> {
    group.iter().map(|dimension| value(row, *dimension)).collect()
}

fn value(row: &QueryResult, dimension: Dimension) -> Result<Value, StoreError> {
    let column = dimension.column();
    Ok(if dimension.is_id() {
        Value::Id(row.try_get_by::<Uuid, _>(column)?)
    } else {
        Value::Text(row.try_get_by::<String, _>(column)?)
    })
}

pub(in crate::store) fn figures(row: &QueryResult, wanted: &Wanted) -> Result<Figures, StoreError> {
    // Sums over no rows are NULL.
    let number = |column: &str| Ok::<i64, StoreError>(row.try_get_by::<Option<i64>, _>(column)?.unwrap_or_default());
    let mut figures = Figures::default();
    for count in &wanted.counts {
        figures.add_count(*count, number(count.as_str())?.into());
    }
    if wanted.cost {
        let nanos = i128::from(number(COST_UNITS)?) * 1_000_000_000 + i128::from(number(COST_REST)?);
        figures.add_cost(currency(row)?, nanos);
    }
    for latency in &wanted.latencies {
        let mut bins = [0; BINS];
        for (bin, column) in bins.iter_mut().zip(bin_columns(*latency)) {
            *bin = number(column)?;
        }
        figures.add_bins(*latency, &bins);
    }
    Ok(figures)
}

fn currency(row: &QueryResult) -> Result<Currency, StoreError> {
    let text: String = row.try_get_by(Dimension::Currency.column())?;
    text.parse().map_err(|_| StoreError::corrupt("usage sums", "currency", text))
}
