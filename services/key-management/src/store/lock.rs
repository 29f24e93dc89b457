//! Work that one replica does.

use maas_store::StoreError;
use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};

/// Whether this transaction is the one that does the work named `name` now; held until it ends. On SQLite there is one
/// process and one writer connection, which is the same.
pub async fn try_hold(transaction: &impl ConnectionTrait, name: &str) -> Result<bool, StoreError> {
    if transaction.get_database_backend() != DatabaseBackend::Postgres {
        return Ok(true);
    }
    let sql = "SELECT pg_try_advisory_xact_lock(hashtext('maas-key-management'), hashtext($1)) AS held";
    let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, [name.into()]);
    let row = transaction.query_one_raw(statement).await?;
    Ok(row.map(|row| row.try_get("", "held")).transpose()?.unwrap_or(false))
}
