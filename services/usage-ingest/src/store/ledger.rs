//! What the monthly ledger says about a key. Its rows stay when raw events go.

use maas_store::StoreError;
use sea_orm::{
    ConnectionTrait, QueryResult,
    sea_query::{Expr, ExprTrait as _, Query},
};
use uuid::Uuid;

use super::sums::LEDGER;
use crate::domain::summary::Sums;

const COUNTS: [&str; 6] =
    ["requests", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens", "cost_nanos"];

/// Everything a key has ever used. A key has a row for each month, payer, model and currency.
pub async fn of_key(db: &impl ConnectionTrait, key: Uuid) -> Result<Sums, StoreError> {
    let mut select = Query::select();
    select.from(LEDGER.name).column("currency").columns(COUNTS).and_where(Expr::col("key_id").eq(key));
    let mut total = Sums::default();
    for row in db.query_all(&select).await? {
        total.add(&sums_from_db(&row, key)?);
    }
    Ok(total)
}

fn sums_from_db(row: &QueryResult, key: Uuid) -> Result<Sums, StoreError> {
    let number = |column| Ok::<i128, StoreError>(i128::from(row.try_get_by::<i64, _>(column)?));
    let currency: String = row.try_get_by("currency")?;
    let currency = currency.parse().map_err(|_| StoreError::corrupt(LEDGER.name, "currency", key))?;
    Ok(Sums {
        requests: number("requests")?,
        input_tokens: number("input_tokens")?,
        cached_input_tokens: number("cached_input_tokens")?,
        output_tokens: number("output_tokens")?,
        reasoning_tokens: number("reasoning_output_tokens")?,
        costs: [(currency, number("cost_nanos")?)].into_iter().collect(),
    })
}
