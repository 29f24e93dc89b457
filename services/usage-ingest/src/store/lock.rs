//! One writer per partition of the stream.

use maas_store::StoreError;
use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};

/// Waits until this transaction is the only one that writes the partition's ledger; released with the transaction.
///
/// It makes the reads that follow (sequences, existing events) safe to base writes on, with any number of replicas.
/// On SQLite there is one process and one writer connection, which is the same.
pub async fn hold_partition(transaction: &impl ConnectionTrait, partition: i32) -> Result<(), StoreError> {
    if transaction.get_database_backend() != DatabaseBackend::Postgres {
        return Ok(());
    }
    let sql = "SELECT pg_advisory_xact_lock(hashtext('maas-usage-ingest'), $1)";
    let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, [partition.into()]);
    transaction.execute_raw(statement).await?;
    Ok(())
}
