//! Several statements about one moment.

use maas_store::{Database, StoreError};
use sea_orm::{
    AccessMode, ConnectionTrait as _, DatabaseBackend, DatabaseConnection, DatabaseTransaction, IsolationLevel,
    TransactionTrait as _,
};

/// Compiling a statement with dozens of sums takes longer than running it; grouping in memory is faster than sorting on
/// disk; and no question may hold a connection that ingest needs for as long as it likes.
const SETTINGS: &str = "SET LOCAL jit = off; SET LOCAL work_mem = '64MB'; SET LOCAL statement_timeout = '30s'";

/// The same for an export, which has its connection to itself. A client that takes its time does not move it, so the
/// server ends it when its process has vanished; and days of raw events that it can see are not dropped while it reads:
/// locked before the moment begins, since a day that is dropped goes from every moment.
const SETTINGS_OF_EXPORT: &str = "SET LOCAL jit = off; SET LOCAL work_mem = '64MB'; \
     SET LOCAL statement_timeout = '5min'; SET LOCAL idle_in_transaction_session_timeout = '10min'; \
     LOCK TABLE usage_events IN ACCESS SHARE MODE";

/// A transaction that reads what is committed now, whatever is committed while it reads. Let go of it soon: it holds a
/// connection, and on Postgres it keeps old rows from being cleaned up.
pub async fn begin(database: &Database) -> Result<DatabaseTransaction, StoreError> {
    begin_with(database.reader(), SETTINGS).await
}

/// As [`begin`], for minutes. On SQLite its moment is that of its first statement, and the write-ahead log grows until it
/// ends.
pub async fn begin_export(connections: &DatabaseConnection) -> Result<DatabaseTransaction, StoreError> {
    begin_with(connections, SETTINGS_OF_EXPORT).await
}

async fn begin_with(connections: &DatabaseConnection, settings: &str) -> Result<DatabaseTransaction, StoreError> {
    // SQLite in WAL mode reads one moment in any transaction.
    if connections.get_database_backend() != DatabaseBackend::Postgres {
        return Ok(connections.begin().await?);
    }
    let isolation = Some(IsolationLevel::RepeatableRead);
    let transaction = connections.begin_with_config(isolation, Some(AccessMode::ReadOnly)).await?;
    transaction.execute_unprepared(settings).await?;
    Ok(transaction)
}
