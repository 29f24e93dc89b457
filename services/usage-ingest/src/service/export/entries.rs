//! Every event and every correction as a row: first all events, then all corrections, each by time.

use maas_store::StoreError;
use maas_types::{Currency, EventId, csv::Cell};
use sea_orm::ConnectionTrait;

use super::{ExportRow, PAGE};
use crate::{
    domain::{
        analytics::{
            figures::{Count, Figures},
            question::NotHeld,
        },
        dimensions::Dimension,
        filter::Value,
        measures::MEASURE_COLUMNS,
    },
    service::analytics::{Ledger, Usage},
    store::export::entries::{EntryRow, Kind, More, Position, page},
};

#[derive(Debug)]
pub struct Entries {
    usage: Usage,
    /// None: all were read.
    kind: Option<Kind>,
    after: Option<Position>,
}

const MEASURES: [(Count, usize); 10] = [
    (Count::Requests, 0),
    (Count::UnpricedRequests, 1),
    (Count::InputTokens, 2),
    (Count::CachedInputTokens, 3),
    (Count::CacheWriteInputTokens, 4),
    (Count::AudioInputTokens, 5),
    (Count::OutputTokens, 6),
    (Count::ReasoningTokens, 7),
    (Count::AudioOutputTokens, 8),
    (Count::Images, 9),
];
const COST: usize = MEASURE_COLUMNS.len() - 1;

impl Entries {
    /// Fails if entries of the period were dropped already.
    pub fn new(ledger: &Ledger, usage: Usage) -> Result<Self, NotHeld> {
        if usage.period.from < ledger.entries_since {
            return Err(NotHeld { since: ledger.entries_since });
        }
        Ok(Self { usage, kind: Some(Kind::Event), after: None })
    }

    pub(super) fn columns() -> Vec<&'static str> {
        let mut columns = vec!["kind", "id", "time", "event_id", "request_id"];
        columns.extend(Dimension::ALL.map(Dimension::column));
        columns.extend(["stream", "status", "quality", "ttft_ms", "duration_ms", "reason"]);
        columns.extend(MEASURES.map(|(count, _)| count.as_str()));
        columns.push("cost");
        columns
    }

    pub(super) async fn next(&mut self, snapshot: &impl ConnectionTrait) -> Result<Vec<ExportRow>, StoreError> {
        while let Some(kind) = self.kind {
            let Usage { period, filter } = &self.usage;
            let rows = page(snapshot, kind, *period, filter, self.after, PAGE as u64).await?;
            self.after = rows.last().map(EntryRow::position);
            if rows.len() < PAGE {
                self.kind = (kind == Kind::Event).then_some(Kind::Correction);
                self.after = None;
            }
            if !rows.is_empty() {
                return rows.into_iter().map(row).collect();
            }
        }
        Ok(Vec::new())
    }
}

fn row(entry: EntryRow) -> Result<ExportRow, StoreError> {
    let figures = figures(&entry)?;
    let text = |text: &str| Cell::Text(text.to_owned());
    let milliseconds =
        |micros: Option<i64>| micros.map_or(Cell::Missing, |micros| Cell::Number((micros / 1_000).into()));
    let (kind, event_id, request_id) = match &entry.more {
        More::Event { request_id, .. } => ("event", Cell::Missing, text(request_id)),
        More::Correction { kind, event_id, .. } => {
            let event = event_id.map_or(Cell::Missing, |id| Cell::Text(EventId::from_uuid(id).to_string()));
            (kind.as_str(), event, Cell::Missing)
        }
    };
    let id = match &entry.more {
        More::Event { .. } => EventId::from_uuid(entry.id).to_string(),
        More::Correction { .. } => entry.id.simple().to_string(),
    };
    let mut cells = vec![text(kind), Cell::Text(id), Cell::Time(entry.admitted_at), event_id, request_id];
    let dimensions = Dimension::ALL.iter().zip(&entry.dimensions);
    cells.extend(dimensions.map(|(dimension, value)| value.text(*dimension).map_or(Cell::Missing, Cell::Text)));
    cells.extend(match &entry.more {
        More::Event { stream, status, quality, first_byte_us, completed_us, .. } => [
            Cell::Flag(*stream),
            Cell::Number((*status).into()),
            text(quality),
            milliseconds(*first_byte_us),
            milliseconds(*completed_us),
            Cell::Missing,
        ],
        More::Correction { reason, .. } => {
            [Cell::Missing, Cell::Missing, Cell::Missing, Cell::Missing, Cell::Missing, text(reason)]
        }
    });
    cells.extend(entry.measures.iter().take(COST).map(|measure| Cell::Number((*measure).into())));
    cells.push(Cell::Amount(entry.measures.get(COST).copied().unwrap_or_default().into()));
    Ok(ExportRow { cells, figures })
}

fn figures(entry: &EntryRow) -> Result<Figures, StoreError> {
    let measure = |place: usize| i128::from(entry.measures.get(place).copied().unwrap_or_default());
    let mut figures = Figures::default();
    for (count, place) in MEASURES {
        figures.add_count(count, measure(place));
    }
    let named = |wanted: Dimension| {
        let mut both = Dimension::ALL.iter().zip(&entry.dimensions);
        both.find(|(dimension, _)| **dimension == wanted).map(|(_, value)| value)
    };
    let fine = Count::FINE.iter().any(|fine| named(Dimension::Outcome) == Some(&Value::Text(fine.as_str().to_owned())));
    figures.add_count(Count::Errors, if fine { 0 } else { measure(0) });
    let currency: Option<Currency> = match named(Dimension::Currency) {
        Some(Value::Text(text)) => text.parse().ok(),
        Some(Value::Id(_)) | None => None,
    };
    let currency = currency.ok_or_else(|| StoreError::corrupt("usage_entries", "currency", entry.id))?;
    figures.add_cost(currency, measure(COST));
    Ok(figures)
}
