//! Runs a service's migrations, once, whoever asks at the same time.

use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};
use sea_orm_migration::MigratorTrait;

use crate::{
    connection::Database,
    error::{StoreError, classify},
};

/// Brings the schema up to date. All pending migrations commit together or not at all; on Postgres an advisory lock
/// makes a second caller wait and then find nothing to do.
pub async fn migrate<M: MigratorTrait>(database: &Database, schema: &'static str) -> Result<(), StoreError> {
    if database.backend() == DatabaseBackend::Postgres {
        create_schema(database, schema).await?;
    }
    let transaction = database.begin().await?;
    if database.backend() == DatabaseBackend::Postgres {
        let lock = "SELECT pg_advisory_xact_lock(hashtext($1))";
        let name = format!("maas-migrate-{schema}");
        let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, lock, [name.into()]);
        transaction.execute_raw(statement).await.map_err(classify)?;
    }
    M::up(&transaction, None).await.map_err(classify)?;
    transaction.commit().await.map_err(classify)
}

/// Fails with [`StoreError::SchemaOutdated`] when migrations are pending; changes nothing.
pub async fn check_schema<M: MigratorTrait>(database: &Database) -> Result<(), StoreError> {
    let pending = M::get_pending_migrations_read_only(database.reader()).await.map_err(classify)?;
    if pending.is_empty() { Ok(()) } else { Err(StoreError::SchemaOutdated(pending.len())) }
}

/// Names of schemas are constants of our own, so that putting one into SQL text is safe.
async fn create_schema(database: &Database, schema: &'static str) -> Result<(), StoreError> {
    let exists = Statement::from_sql_and_values(
        DatabaseBackend::Postgres,
        "SELECT 1 FROM information_schema.schemata WHERE schema_name = $1",
        [schema.into()],
    );
    if database.writer().query_one_raw(exists).await.map_err(classify)?.is_some() {
        return Ok(());
    }
    let create = format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\"");
    match database.writer().execute_unprepared(&create).await.map_err(classify) {
        // Two callers at once: the other one created it.
        Ok(_) | Err(StoreError::Duplicate(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
