//! Day partitions of the events, on Postgres.

use std::collections::BTreeSet;

use maas_store::StoreError;
use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};

/// Makes the partitions that are missing, and the next day's ahead of time. Call it under the partition lock, in the
/// transaction that inserts: whoever drops partitions takes the same lock, so none can vanish in between.
pub async fn ensure_days(transaction: &impl ConnectionTrait, days: &BTreeSet<i32>) -> Result<(), StoreError> {
    if transaction.get_database_backend() != DatabaseBackend::Postgres || days.is_empty() {
        return Ok(());
    }
    let existing = existing(transaction).await?;
    for day in days.iter().filter(|day| !existing.contains(&name(**day))) {
        let (table, next) = (name(*day), day.saturating_add(1));
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS \"{table}\" PARTITION OF usage_events FOR VALUES FROM ({day}) TO ({next})"
        );
        transaction.execute_unprepared(&sql).await?;
        tracing::info!(partition.name = table, "created a partition");
    }
    Ok(())
}

async fn existing(transaction: &impl ConnectionTrait) -> Result<BTreeSet<String>, StoreError> {
    let sql = "SELECT child.relname::text AS name FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid \
               WHERE inhparent = 'usage_events'::regclass";
    let rows = transaction.query_all_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await?;
    rows.iter().map(|row| Ok(row.try_get_by::<String, _>("name")?)).collect()
}

/// Days since the epoch, so that names sort by time.
fn name(day: i32) -> String {
    format!("usage_events_d{day:06}")
}
