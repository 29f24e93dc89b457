//! How much was used: in all, by model, by key.

use std::collections::BTreeMap;

use maas_types::{KeyId, Timestamp};

use super::{AskError, Ledger, Scope, Usage};
use crate::{
    domain::{
        analytics::{
            figures::{Figures, Wanted},
            metric::Metric,
            question::{Cell, needs},
        },
        dimensions::Dimension,
        filter::Value,
    },
    store::{
        self,
        analytics::{
            page::{Sort, page},
            sums::cells,
        },
    },
};

/// Keys that a summary lists at most; a breakdown lists all.
pub const MOST_KEYS: u64 = 1_000;

#[derive(Debug)]
pub struct SummaryAnswer {
    pub scope: Scope,
    pub totals: Figures,
    pub by_model: Vec<(String, Figures)>,
    /// The most expensive first; None: requests that came with a token.
    pub by_key: Vec<(Option<KeyId>, Figures)>,
    pub last_uses: BTreeMap<KeyId, Timestamp>,
}

pub async fn summarise(ledger: &Ledger, usage: &Usage) -> Result<SummaryAnswer, AskError> {
    let db = ledger.snapshot().await?;
    let scope = ledger.scope(&db, usage, needs(&usage.filter, &[], &Wanted::default())).await?;
    let question = |dimension| ledger.question(&[scope.period], &usage.filter, &[dimension], Wanted::counts_and_cost());
    let models = cells(&db, &question(Dimension::Model)?).await?;
    let sort = Sort { metric: Some(Metric::Cost), descending: true, currency: scope.currency };
    let keys = page(&db, &question(Dimension::Key)?, sort, None, MOST_KEYS).await?;
    let by_key: Vec<_> = keys.groups.into_iter().map(|key| (key_of(&key.position.group), key.figures)).collect();
    let ids = by_key.iter().filter_map(|(key, _)| key.map(|key| key.uuid()));
    let last_uses = store::key_use::last_uses(&db, ids).await?;
    Ok(SummaryAnswer {
        scope,
        totals: keys.totals,
        by_model: models.into_iter().map(model_of).collect(),
        by_key,
        last_uses: last_uses.into_iter().map(|(key, at)| (KeyId::from_uuid(key), at)).collect(),
    })
}

fn model_of(cell: Cell) -> (String, Figures) {
    let name = match cell.group.into_iter().next() {
        Some(Value::Text(name)) => name,
        Some(Value::Id(_)) | None => String::new(),
    };
    (name, cell.figures)
}

fn key_of(group: &[Value]) -> Option<KeyId> {
    match group.first()? {
        Value::Id(id) if !id.is_nil() => Some(KeyId::from_uuid(*id)),
        Value::Id(_) | Value::Text(_) => None,
    }
}
