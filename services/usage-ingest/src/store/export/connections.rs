//! Connections of exports. An export holds one for as long as its client takes the file, so it is none of those that
//! ingest and questions wait for.

use std::time::Duration;

use maas_store::Database;
use sea_orm::{DatabaseBackend, DatabaseConnection, SqlxPostgresConnector, SqlxSqliteConnector};

/// Most of the time nobody exports.
const IDLE: Duration = Duration::from_secs(10);

/// Up to `most` connections like those of the database, made when they are needed. Needs a Tokio runtime.
pub fn connections(database: &Database, most: u32) -> DatabaseConnection {
    let reader = database.reader();
    if database.backend() == DatabaseBackend::Postgres {
        let pool = reader.get_postgres_connection_pool();
        let options = pool.options().clone().max_connections(most).min_connections(0).idle_timeout(IDLE);
        let pool = options.connect_lazy_with(pool.connect_options().as_ref().clone());
        return SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
    }
    let pool = reader.get_sqlite_connection_pool();
    let options = pool.options().clone().max_connections(most).min_connections(0).idle_timeout(IDLE);
    SqlxSqliteConnector::from_sqlx_sqlite_pool(options.connect_lazy_with(pool.connect_options().as_ref().clone()))
}
