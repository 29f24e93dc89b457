//! The tables of sums as they are stored, and the same worked out anew from every event and correction.

use std::{collections::BTreeMap, ops::Deref};

use maas_usage_ingest::{
    domain::{dimensions::Dimension, latency, measures::Measures},
    store::sums::SumsTable,
};
use sea_orm::{
    ConnectionTrait, QueryResult,
    sea_query::{Expr, Query},
};
use uuid::Uuid;

/// One stored row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SumRow {
    pub times: Vec<i64>,
    pub dimensions: Vec<String>,
    pub measures: Measures,
    /// Durations, then times to the first byte; empty where none are kept.
    pub bins: Vec<i64>,
}

impl Deref for SumRow {
    type Target = Measures;

    fn deref(&self) -> &Measures {
        &self.measures
    }
}

/// In the order of the keys.
pub async fn rows_of(db: &impl ConnectionTrait, table: &SumsTable) -> Vec<SumRow> {
    let mut select = Query::select();
    select.from(table.name).expr(Expr::cust("*"));
    let mut rows: Vec<_> = db.query_all(&select).await.unwrap().iter().map(|row| sum_row(row, table)).collect();
    rows.sort_by(|one, other| (&one.times, &one.dimensions).cmp(&(&other.times, &other.dimensions)));
    rows
}

fn sum_row(row: &QueryResult, table: &SumsTable) -> SumRow {
    let numbers: Vec<i64> = table.summed().map(|column| number(row, column)).collect();
    SumRow {
        times: table.times.iter().map(|column| number(row, column)).collect(),
        dimensions: table.dimensions.iter().map(|dimension| text(row, *dimension)).collect(),
        measures: Measures::from_values(numbers[..11].try_into().unwrap()),
        bins: numbers[11..].to_vec(),
    }
}

fn text(row: &QueryResult, dimension: Dimension) -> String {
    let column = dimension.column();
    row.try_get_by::<Uuid, _>(column).map_or_else(|_| row.try_get_by(column).unwrap(), |id| id.simple().to_string())
}

/// Columns are 32 or 64 bits wide.
fn number(row: &QueryResult, column: &str) -> i64 {
    row.try_get_by::<i64, _>(column).unwrap_or_else(|_| row.try_get_by::<i32, _>(column).unwrap().into())
}

/// What the table must hold: the plain sum over `usage_entries`, row by row. `times` makes the key's time of an
/// admission time in milliseconds.
pub async fn plain_sums(db: &impl ConnectionTrait, table: &SumsTable, times: impl Fn(i64) -> Vec<i64>) -> Vec<SumRow> {
    let mut select = Query::select();
    select.from("usage_entries").expr(Expr::cust("*"));
    let mut sums: BTreeMap<(Vec<i64>, Vec<String>), SumRow> = BTreeMap::new();
    for row in db.query_all(&select).await.unwrap() {
        let key_times = times(number(&row, "admitted_at"));
        let dimensions: Vec<_> = table.dimensions.iter().map(|dimension| text(&row, *dimension)).collect();
        let sum = sums.entry((key_times.clone(), dimensions.clone())).or_insert_with(|| SumRow {
            times: key_times,
            dimensions,
            measures: Measures::default(),
            bins: vec![0; if table.latencies { 2 * latency::BINS } else { 0 }],
        });
        let values = table.summed().take(11).map(|column| number(&row, column)).collect::<Vec<_>>();
        sum.measures.add(&Measures::from_values(values.try_into().unwrap()));
        for (offset, column) in [(0, "completed_us"), (latency::BINS, "first_byte_us")] {
            let micros = row.try_get_by::<Option<i64>, _>(column).unwrap();
            if let (true, Some(micros)) = (table.latencies, micros) {
                sum.bins[offset + latency::bin_of(micros.unsigned_abs())] += 1;
            }
        }
    }
    sums.into_values().collect()
}
