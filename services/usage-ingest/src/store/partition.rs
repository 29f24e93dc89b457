//! Day partitions of the events, on Postgres, and what goes when a day is no longer kept.
//!
//! Guarantee: nothing here makes ingest or a reader wait for longer than the lock time-out. Partitions are attached and
//! detached under locks that reading and inserting do not conflict with; a partition that a reader still uses is
//! detached in a later round.
//!
//! Dropping a day has three steps, and dying after any of them is mended by the next round: marked as pending (no new
//! query sees it), detached (a table of its own), dropped.
//!
//! Raw SQL because the builder has no words for partitions. Names of tables are made from numbers.

use std::{collections::BTreeSet, time::Duration};

use maas_store::{Database, StoreError};
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DbErr, RuntimeErr, Statement,
    sqlx::{self, AssertSqlSafe, PgConnection},
};

const PREFIX: &str = "usage_events_d";

/// Makes the partitions that are missing. Under the partition lock, so that no two make the same one; whoever drops
/// partitions leaves every day alone that an event could still come for.
pub async fn ensure_days(transaction: &impl ConnectionTrait, days: &BTreeSet<i32>) -> Result<(), StoreError> {
    for day in missing_days(transaction, days).await? {
        let (table, next) = (name(day), day.saturating_add(1));
        // Made alone and then attached: `PARTITION OF` would lock out every reader and writer of all days. A table that
        // is there was on its way to be dropped, by a clock that was wrong: its events are taken back.
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS \"{table}\" (LIKE usage_events INCLUDING DEFAULTS INCLUDING CONSTRAINTS); \
             ALTER TABLE usage_events ATTACH PARTITION \"{table}\" FOR VALUES FROM ({day}) TO ({next})"
        );
        transaction.execute_unprepared(&sql).await?;
        tracing::info!(partition.name = table, "created a partition");
    }
    Ok(())
}

/// From here on a statement of this transaction gives up after waiting for a lock for `patience`.
pub async fn give_up_waiting_after(transaction: &impl ConnectionTrait, patience: Duration) -> Result<(), StoreError> {
    transaction.execute_unprepared(&format!("SET LOCAL lock_timeout = {}", patience.as_millis())).await?;
    Ok(())
}

/// Those of the days that have no partition; none on SQLite.
pub async fn missing_days(db: &impl ConnectionTrait, days: &BTreeSet<i32>) -> Result<BTreeSet<i32>, StoreError> {
    if db.get_database_backend() != DatabaseBackend::Postgres || days.is_empty() {
        return Ok(BTreeSet::new());
    }
    let sql = "SELECT child.relname::text AS name FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid \
               WHERE inhparent = 'usage_events'::regclass AND NOT inhdetachpending";
    let rows = db.query_all_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await?;
    let mut missing = days.clone();
    for row in rows {
        if let Some(day) = day_in(&row.try_get_by::<String, _>("name")?) {
            missing.remove(&day);
        }
    }
    Ok(missing)
}

/// A partition of a day that is no longer kept, and how far dropping it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    pub day: i32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Attached,
    Pending,
    Detached,
}

/// All partitions of days before `first_kept`, oldest first.
pub async fn expired(db: &impl ConnectionTrait, first_kept: i32) -> Result<Vec<Expired>, StoreError> {
    let sql = "SELECT relname::text AS name, inhrelid IS NOT NULL AS attached, \
               COALESCE(inhdetachpending, false) AS pending FROM pg_class \
               LEFT JOIN pg_inherits ON inhrelid = pg_class.oid \
               WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace ORDER BY relname";
    let mut expired = Vec::new();
    for row in db.query_all_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await? {
        let name: String = row.try_get_by("name")?;
        let Some(day) = day_in(&name).filter(|day| *day < first_kept) else { continue };
        let state = match (row.try_get_by("attached")?, row.try_get_by("pending")?) {
            (false, _) => State::Detached,
            (true, true) => State::Pending,
            (true, false) => State::Attached,
        };
        expired.push(Expired { day, state });
    }
    Ok(expired)
}

/// A connection of its own: detaching concurrently cannot be part of a transaction.
pub struct Dropper {
    connection: PgConnection,
}

impl Dropper {
    /// Each of its statements gives up after waiting for `patience`.
    pub async fn open(database: &Database, patience: Duration) -> Result<Self, StoreError> {
        let connection = database.writer().get_postgres_connection_pool().acquire().await.map_err(from_driver)?;
        // Taken out of the pool, which must not get it back with another time-out.
        let mut dropper = Self { connection: connection.detach() };
        dropper.execute(format!("SET lock_timeout = {}", patience.as_millis())).await?;
        Ok(dropper)
    }

    /// Ends with an error where somebody still uses the partition; asked again, it goes on from there.
    pub async fn drop_day(&mut self, expired: Expired) -> Result<(), StoreError> {
        let table = name(expired.day);
        let detach = match expired.state {
            State::Attached => Some("CONCURRENTLY"),
            State::Pending => Some("FINALIZE"),
            State::Detached => None,
        };
        if let Some(how) = detach {
            self.execute(format!("ALTER TABLE usage_events DETACH PARTITION \"{table}\" {how}")).await?;
        }
        self.execute(format!("DROP TABLE \"{table}\"")).await
    }

    async fn execute(&mut self, sql: String) -> Result<(), StoreError> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection).await;
        done.map(|_| ()).map_err(from_driver)
    }
}

/// Whether a statement gave up waiting for a lock: not an error, somebody else is at work.
pub fn gave_up_waiting(error: &StoreError) -> bool {
    const LOCK_NOT_AVAILABLE: &str = "55P03";
    let StoreError::Other(DbErr::Exec(RuntimeErr::SqlxError(cause))) = error else { return false };
    cause.as_database_error().is_some_and(|refusal| refusal.code().as_deref() == Some(LOCK_NOT_AVAILABLE))
}

/// Deletes at most `most` events of days before `first_kept`; answers how many. For SQLite, where days are no tables.
pub async fn delete_slice(db: &impl ConnectionTrait, first_kept: i32, most: u32) -> Result<u64, StoreError> {
    let sql = "DELETE FROM usage_events WHERE rowid IN (SELECT rowid FROM usage_events WHERE day < ? LIMIT ?)";
    let values = [first_kept.into(), i64::from(most).into()];
    let deleted = db.execute_raw(Statement::from_sql_and_values(DatabaseBackend::Sqlite, sql, values)).await?;
    Ok(deleted.rows_affected())
}

fn from_driver(error: sqlx::Error) -> StoreError {
    DbErr::Exec(RuntimeErr::SqlxError(error.into())).into()
}

/// Days since the epoch, so that names sort by time.
fn name(day: i32) -> String {
    format!("{PREFIX}{day:06}")
}

fn day_in(name: &str) -> Option<i32> {
    name.strip_prefix(PREFIX)?.parse().ok()
}
