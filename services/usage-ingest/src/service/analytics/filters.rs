//! What there is to filter by: the values of each dimension in some usage.

use super::{AskError, Ledger, Scope, Usage};
use crate::{
    domain::{
        analytics::{figures::Wanted, question::needs},
        dimensions::Dimension,
        filter::Value,
    },
    store::analytics::values::{Prefix, values},
};

#[derive(Debug, Clone)]
pub struct FiltersInput {
    pub usage: Usage,
    /// With what the values must begin with.
    pub dimensions: Vec<(Dimension, Option<Prefix>)>,
    /// Of each dimension.
    pub limit: usize,
}

#[derive(Debug)]
pub struct FilterValues {
    pub dimension: Dimension,
    pub values: Vec<Value>,
    /// Whether there are more than were asked for.
    pub more: bool,
}

pub async fn filters(ledger: &Ledger, input: &FiltersInput) -> Result<(Scope, Vec<FilterValues>), AskError> {
    let db = ledger.snapshot().await?;
    let needs = needs(&input.usage.filter, &[], &Wanted::default());
    let scope = ledger.scope(&db, &input.usage, needs).await?;
    let mut lists = Vec::new();
    for (dimension, prefix) in &input.dimensions {
        let question = ledger.question(&[scope.period], &input.usage.filter, &[*dimension], Wanted::default())?;
        let mut values = values(&db, &question, prefix.as_ref(), input.limit as u64 + 1).await?;
        let more = values.len() > input.limit;
        values.truncate(input.limit);
        lists.push(FilterValues { dimension: *dimension, values, more });
    }
    Ok((scope, lists))
}
