//! When and from where keys were used last.

use maas_store::{StoreError, classify};
use maas_types::{KeyId, Timestamp};
use sea_orm::{ConnectionTrait, Statement, Value};

use crate::domain::key::LastUse;

/// Uses closer to the one before are not written.
const INTERVAL_MS: i64 = 60_000;
/// Three values each, far below what both databases take in one statement.
const MOST_IN_A_STATEMENT: usize = 500;

/// Writes those uses that are a minute later than what is there, in the order of the keys, and says how many. Of a key
/// that is gone nothing is written.
///
/// Raw SQL because the builder has no words for an update from a list of values.
pub async fn write(connection: &impl ConnectionTrait, uses: &[(KeyId, LastUse)]) -> Result<u64, StoreError> {
    let mut written = 0;
    for chunk in uses.chunks(MOST_IN_A_STATEMENT) {
        let result = connection.execute_raw(statement(connection, chunk)).await.map_err(classify)?;
        written += result.rows_affected();
    }
    Ok(written)
}

fn statement(connection: &impl ConnectionTrait, uses: &[(KeyId, LastUse)]) -> Statement {
    let backend = connection.get_database_backend();
    let row = |number: usize| match backend {
        sea_orm::DatabaseBackend::Postgres => {
            let first = number * 3 + 1;
            format!("(${first}::uuid, ${}::bigint, ${}::text)", first + 1, first + 2)
        }
        _ => "(?, ?, ?)".to_owned(),
    };
    let rows: Vec<String> = (0..uses.len()).map(row).collect();
    let sql = format!(
        "UPDATE keys SET last_used_at = told.column2, last_used_address = told.column3 \
         FROM (VALUES {}) AS told \
         WHERE keys.id = told.column1 AND COALESCE(keys.last_used_at, 0) <= told.column2 - {INTERVAL_MS}",
        rows.join(", ")
    );
    let values = uses.iter().flat_map(|(key, last)| values_of(*key, last.at, last.address.clone()));
    Statement::from_sql_and_values(backend, sql, values)
}

fn values_of(key: KeyId, at: Timestamp, address: Option<String>) -> [Value; 3] {
    [key.uuid().into(), at.unix_ms().into(), address.into()]
}
