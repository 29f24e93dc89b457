//! One writer per partition of the stream.

use maas_store::StoreError;
use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};

/// The only partition of the stream for now.
pub const PARTITION: i32 = 0;

/// Waits until this transaction is the only one that writes the partition's ledger; released with the transaction.
///
/// It makes the reads that follow (sequences, existing events) safe to base writes on, with any number of replicas.
/// On SQLite there is one process and one writer connection, which is the same.
pub async fn hold_partition(transaction: &impl ConnectionTrait, partition: i32) -> Result<(), StoreError> {
    if transaction.get_database_backend() != DatabaseBackend::Postgres {
        return Ok(());
    }
    // A holder whose machine vanished between two statements would hold it until TCP notices, which can take hours: the
    // server ends its transaction instead.
    let sql = "SELECT set_config('idle_in_transaction_session_timeout', '15s', true), \
               pg_advisory_xact_lock(hashtext('maas-usage-ingest'), $1)";
    let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, [partition.into()]);
    transaction.execute_raw(statement).await?;
    Ok(())
}
