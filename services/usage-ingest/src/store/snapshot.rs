//! Several statements about one moment.

use maas_store::{Database, StoreError};
use sea_orm::{
    AccessMode, ConnectionTrait as _, DatabaseBackend, DatabaseTransaction, IsolationLevel, TransactionTrait as _,
};

/// Compiling a statement with dozens of sums takes longer than running it; grouping in memory is faster than sorting on
/// disk; and no question may hold a connection that ingest needs for as long as it likes.
const SETTINGS: &str = "SET LOCAL jit = off; SET LOCAL work_mem = '64MB'; SET LOCAL statement_timeout = '30s'";

/// A transaction that reads what is committed now, whatever is committed while it reads. Let go of it soon: it holds a
/// connection, and on Postgres it keeps old rows from being cleaned up.
pub async fn begin(database: &Database) -> Result<DatabaseTransaction, StoreError> {
    let reader = database.reader();
    // SQLite in WAL mode reads one moment in any transaction.
    if database.backend() != DatabaseBackend::Postgres {
        return Ok(reader.begin().await?);
    }
    let isolation = Some(IsolationLevel::RepeatableRead);
    let transaction = reader.begin_with_config(isolation, Some(AccessMode::ReadOnly)).await?;
    transaction.execute_unprepared(SETTINGS).await?;
    Ok(transaction)
}
